import KernelLanguage
import Testing

@Suite("Number formats")
struct NumberFormatTests {
    @Test("BF16: every code survives the way through Float and Double")
    func brainFloatRoundTrip() {
        for code in UInt16.min...UInt16.max {
            let number = BFloat16(bits: code)
            if number.float.isNaN {
                #expect(BFloat16(number.float).float.isNaN, "code \(code)")
                #expect(BFloat16(number.float).bits == code | 0x40, "code \(code)")
                #expect(BFloat16(Double(number.float)).float.isNaN, "code \(code)")
            } else if BFloat16(number.float).bits != code || BFloat16(Double(number.float)).bits != code {
                Issue.record("code \(code), value \(number.float)")
            }
        }
    }

    @Test("BF16: halfway cases go to the even code, neighbours to the nearer one")
    func brainFloatHalfway() {
        for code in UInt16(0)..<0x7F80 {
            let halfway = Float(bitPattern: UInt32(code) << 16 | 0x8000)
            let even = code + (code & 1)
            for sign: UInt16 in [0, 0x8000] {
                let value = sign == 0 ? halfway : -halfway
                let exact = Double(value)
                // The Double neighbours of the halfway point cannot be told from it in Float.
                let inner = exact * (1 - 0x1p-50)
                let outer = exact * (1 + 0x1p-50)
                if BFloat16(value).bits != sign | even
                    || BFloat16(exact).bits != sign | even
                    || BFloat16(inner).bits != sign | code
                    || BFloat16(outer).bits != sign | (code + 1)
                    || BFloat16(Float(bitPattern: value.bitPattern - 1)).bits != sign | code
                    || BFloat16(Float(bitPattern: value.bitPattern + 1)).bits != sign | (code + 1)
                {
                    Issue.record("above code \(code), sign \(sign)")
                }
            }
        }
    }

    @Test("BF16: infinities, overflow and tiny values")
    func brainFloatLimits() {
        #expect(BFloat16(Float.infinity).bits == 0x7F80)
        #expect(BFloat16(-Double.infinity).bits == 0xFF80)
        #expect(BFloat16(Float.greatestFiniteMagnitude).bits == 0x7F80)
        #expect(BFloat16(1e300).bits == 0x7F80)
        #expect(BFloat16(-1e-300).bits == 0x8000)
        #expect(BFloat16(Float.leastNonzeroMagnitude).bits == 0)
        #expect(BFloat16(Float(1)).bits == 0x3F80)
        #expect(BFloat16(1.0 + 1.0 / 256 + 1e-12).bits == 0x3F81)
        #expect(BFloat16(Double.nan).float.isNaN)
    }

    /// The definition of the format, without bit tricks.
    private func definition(_ code: UInt8) -> Double? {
        let exponent = Int(code >> 3) & 15
        let mantissa = Double(code & 7)
        if code & 0x7F == 0x7F { return nil }
        var value = exponent == 0 ? mantissa * 0x1p-9 : 1 + mantissa / 8
        if exponent > 0 {
            for _ in 0..<abs(exponent - 7) { value *= exponent > 7 ? 2 : 0.5 }
        }
        return code & 0x80 == 0 ? value : -value
    }

    @Test("E4M3: every code has the value of the definition and survives a round trip")
    func float8RoundTrip() {
        for code in UInt8.min...UInt8.max {
            let number = Float8E4M3(bits: code)
            if let value = definition(code) {
                #expect(Double(number.float) == value, "code \(code)")
                #expect(Float8E4M3(number.float).bits == code)
                #expect(Float8E4M3.decoded[Int(code)].bitPattern == number.float.bitPattern)
            } else {
                #expect(number.float.isNaN)
                #expect(Float8E4M3.decoded[Int(code)].isNaN)
                #expect(Float8E4M3(number.float).bits == 0x7F)
            }
        }
    }

    @Test("E4M3: halfway cases go to the even code, neighbours to the nearer one")
    func float8Halfway() {
        for code in UInt8(0)..<0x7E {
            let halfway = (Float8E4M3(bits: code).float + Float8E4M3(bits: code + 1).float) / 2
            let even = code + (code & 1)
            #expect(Float8E4M3(halfway).bits == even, "above code \(code)")
            #expect(Float8E4M3(-halfway).bits == even | 0x80, "above code \(code)")
            #expect(Float8E4M3(halfway.nextDown).bits == code, "above code \(code)")
            #expect(Float8E4M3(halfway.nextUp).bits == code + 1, "above code \(code)")
        }
    }

    @Test("E4M3: large values saturate and NaN stays NaN")
    func float8Saturation() {
        for value: Float in [448, Float(448).nextUp, 463, 464, 480, 1e9, .greatestFiniteMagnitude, .infinity] {
            #expect(Float8E4M3(value).bits == 0x7E)
            #expect(Float8E4M3(-value).bits == 0xFE)
        }
        #expect(Float8E4M3.largest == Float8E4M3(bits: 0x7E).float)
        #expect(Float8E4M3(Float.nan).bits == 0x7F)
        #expect(Float8E4M3(-Float.nan).bits == 0x7F)
        #expect(Float8E4M3(-Float.leastNonzeroMagnitude).bits == 0x80)
        #expect(Float8E4M3(Float(-0.0)).bits == 0x80)
    }
}
