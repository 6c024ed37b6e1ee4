import KernelLanguage
import Litmus
import Testing

/// What the reader takes, and what it says of what it does not take.
@Suite struct ReaderTests {
    private static let whole = """
        PTX everything
        "Words about it, over
        two lines"
        {
        x = 3; y=-1; P1:r2 = 0x10; 0:r4 = &x; z = 0;
        s @ surface aliases x
        }
         P0@cta 0,gpu 0 | P1@cta 0, gpu 1 ;
         LC00:          | mov r1, r2      ; (* a comment *)
         ld.acquire.gpu r0, x | st.release.sys [y], r1 ;
         bne r0, 4, LC00 | atom.acq_rel.cta.cas r3, y, 0, -2 ; // to the end of the line
         suld.weak r1, s | red.sub z, 1 ;
         fence.sc.gpu    | membar.gl ;
         bar.cta.arrive 2, r1, 3 | ld.volatile r5, z;
                         | goto LC9 ;
                         | LC9: add r1, r1, 1 ;
        locations [x; P0:r0;]
        filter (x >= 2);
        ~exists (P0:r0 = 4 /\\ ~([y] == 0x2 \\/ 1:r1 < -3))
        """

    @Test func wholeFormat() throws {
        let test = try LitmusReader.read(Self.whole)
        #expect(test.name == "everything")
        #expect(test.locations.map(\.name) == ["x", "y", "z", "s"])
        #expect(test.locations.map(\.initial) == [3, -1, 0, 3])
        #expect(test.locations[3].memory == 0 && test.locations[3].address == 0)
        #expect(test.threads.map(\.gpu) == [0, 1])
        #expect(test.threads[1].registers == [2: 16])
        let first = test.threads[0].instructions.map(\.instruction)
        let access = { LitmusAccess(location: $0, order: $1, proxy: .generic) }
        #expect(first[0] == .load(access(0, .acquire(.gpu)), 0))
        #expect(first[1] == .branch(.notEqual, .register(0), .constant(4), target: 0))
        #expect(first[2] == .load(LitmusAccess(location: 3, order: .weak, proxy: .surface), 1))
        #expect(first[3] == .fence(.sequentiallyConsistent(.gpu)))
        #expect(
            first[4]
                == .barrier(
                    LitmusBarrier(instance: 2, name: .register(1), quorum: .constant(3), onlyArrives: true)))
        let second = test.threads[1].instructions.map(\.instruction)
        #expect(second[0] == .move(1, .register(2)))
        #expect(second[1] == .store(access(1, .release(.system)), .register(1)))
        #expect(
            second[2]
                == .atomic(
                    .compareAndSwap(expected: .constant(0), value: .constant(-2)),
                    access(1, .acquireRelease(.block)), 3))
        #expect(second[3] == .atomic(.arithmetic(.sub, .constant(1)), access(2, .relaxed(.gpu)), nil))
        #expect(second[4] == .fence(.sequentiallyConsistent(.gpu)))
        #expect(second[5] == .load(access(2, .relaxed(.system)), 5))
        #expect(second[6] == .jump(target: 7))
        #expect(second[7] == .arithmetic(.add, 1, .register(1), .constant(1)))
        #expect(test.threads[0].instructions[1].line == 11)
        #expect(test.question.kind == .notExists)
        #expect(test.filter == .compare(.greaterOrEqual, .memory(0), .constant(2)))
    }

    @Test func linesOfOtherSystems() throws {
        let test = try LitmusReader.read(
            Self.whole.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"))
        #expect(test == (try LitmusReader.read(Self.whole)))
    }

    private static let heads = " P0@cta 0,gpu 0 | P1@cta 0,gpu 0 ;\n"

    /// Each with the place and a piece of the sentence.
    @Test(arguments: [
        ("C test\n{}", 1, 1, "only tests that begin with PTX"),
        ("", 1, 1, "only tests that begin with PTX"),
        ("PTX t\n", 2, 1, "'{' is expected here, not the end of the test"),
        ("PTX t\n{ x = ; }", 2, 7, "a number or a location is expected here, not ';'"),
        ("PTX t\n{ x = 99999999999999999999; }", 2, 7, "does not fit into 63 bits"),
        ("PTX t\n{ x = 0x; }", 2, 7, "a number is expected here, not '0x'"),
        ("PTX t\n{ x = 1 y = 2 }", 2, 9, "';' is expected here, not 'y'"),
        ("PTX t\n{ x @ special aliases y }", 2, 7, "'special' is no proxy; there are generic, constant"),
        ("PTX t\n{ x @ texture of y }", 2, 15, "'aliases' is expected here"),
        ("PTX t\n{ x=0; x @ generic aliases y }", 2, 8, "location x is there twice"),
        ("PTX t\n{ P7:r0 = 1; x = 0 }\n" + heads + "exists (x == 0)", 2, 3, "there is no thread P7"),
        ("PTX t\n{}\n P0@cta 0 ;", 3, 11, "',' is expected here, not ';'"),
        ("PTX t\n{}\n P0@cta 0,gpu 0 | P0@cta 0,gpu 0 ;", 3, 19, "thread P0 is there twice"),
        ("PTX t\n{}\n exists (x == 0)", 3, 2, "a thread such as P0@cta 0,gpu 0 is expected here"),
        ("PTX t\n{}\n" + heads + " ld.weak r0, x ;\nexists (x == 0)", 4, 2, "the row has 1 cells, and there are 2"),
        ("PTX t\n{}\n" + heads + " | | goto LC1 ;\nexists (x == 0)", 4, 2, "the row has 3 cells"),
        ("PTX t\n{}\n" + heads + " ldd r0, x | ;\n", 4, 2, "'ldd' is no instruction; there are mov, goto"),
        ("PTX t\n{}\n" + heads + " ld.release.gpu r0, x | ;\n", 4, 5, "'release' is no modifier of a load"),
        ("PTX t\n{}\n" + heads + " ld.relaxed r0, x | ;\n", 4, 2, "is relaxed and needs a scope"),
        ("PTX t\n{}\n" + heads + " ld.weak.gpu r0, x | ;\n", 4, 2, "a weak load has no scope"),
        ("PTX t\n{}\n" + heads + " st.relaxed.gpu.cta x, 1 | ;\n", 4, 17, "the store has two scopes"),
        ("PTX t\n{}\n" + heads + " atom.relaxed.gpu r0, x, 1 | ;\n", 4, 2, "the atom has no operation"),
        ("PTX t\n{}\n" + heads + " red.relaxed.gpu.exch x, 1 | ;\n", 4, 18, "'exch' is no operation of red"),
        ("PTX t\n{}\n" + heads + " fence.relaxed.gpu | ;\n", 4, 8, "'relaxed' is no modifier of a fence"),
        ("PTX t\n{}\n" + heads + " fence.proxy.cache | ;\n", 4, 14, "'cache' is no proxy"),
        ("PTX t\n{}\n" + heads + " bar.cta.red 0 | ;\n", 4, 2, "a barrier is bar.cta.sync or bar.cta.arrive"),
        ("PTX t\n{}\n" + heads + " goto LC1 | ;\nexists (x == 0)", 4, 7, "there is no label LC1"),
        ("PTX t\n{}\n" + heads + " LC1: | ;\n LC1: | ;\n", 5, 2, "label LC1 is there twice"),
        ("PTX t\n{}\n" + heads + " st.weak r1, 1 | ;\n", 4, 10, "a location is expected here, not the register"),
        ("PTX t\n{}\n" + heads + " | ;\n", 5, 1, "exists, ~exists or forall is expected here"),
        ("PTX t\n{}\n" + heads + " | ;\nexists (q == 0)", 5, 9, "there is no location q"),
        ("PTX t\n{x=0}\n" + heads + " | ;\nexists (P3:r0 == 0)", 5, 9, "there is no thread P3"),
        ("PTX t\n{x=0}\n" + heads + " | ;\nexists (x 0)", 5, 11, "a comparison such as == is expected here"),
        ("PTX t\n{x=0}\n" + heads + " | ;\nexists (x == 0", 5, 15, "')' is expected here"),
        ("PTX t\n{x=0}\n" + heads + " | ;\nexists (x == 0) more", 5, 17, "the end of the test is expected here"),
        ("PTX t\n{x=0}\n" + heads + " | ;\nexists (x == 0) (* no end", 5, 17, "does not end"),
        ("PTX t\n{x=0 $}\n", 2, 6, "'$' is no part of the format"),
        ("PTX t\n{x=0}\n" + heads + " | ;\nfinal (x == 0)", 5, 1, "exists, ~exists or forall is expected here"),
    ])
    func saysWhatIsWrong(_ text: String, _ line: Int, _ column: Int, _ piece: String) {
        do {
            _ = try LitmusReader.read(text)
            Issue.record("\(text) was read")
        } catch {
            #expect((error.line, error.column) == (line, column), "\(error)")
            #expect("\(error)".hasPrefix("\(line):\(column): ") && "\(error)".contains(piece), "\(error)")
        }
    }

    @Test func limits() {
        func error(_ text: String) -> LitmusError.Problem? {
            do throws(LitmusError) { _ = try LitmusReader.read(text) } catch { return error.problem }
            return nil
        }
        let many = (0...LitmusReader.threadLimit).map { "P\($0)@cta 0,gpu 0" }.joined(separator: " | ")
        #expect(error("PTX t\n{}\n\(many) ;\n") == .tooMany("threads", limit: LitmusReader.threadLimit))
        let rows = String(repeating: "add r0, r0, 1 ;\n", count: LitmusReader.instructionLimit + 1)
        #expect(
            error("PTX t\n{}\nP0@cta 0,gpu 0 ;\n\(rows)")
                == .tooMany("instructions of a thread", limit: LitmusReader.instructionLimit))
        let names = (0...LitmusReader.locationLimit).map { "x\($0)=0;" }.joined()
        #expect(error("PTX t\n{\(names)}") == .tooMany("locations", limit: LitmusReader.locationLimit))
        for nested in ["(", "~"] {
            let deep = "PTX t\n{x=0}\nP0@cta 0,gpu 0 ;\n ;\nexists " + String(repeating: nested, count: 100_000)
            #expect(error(deep) == .tooMany("nested conditions", limit: 64))
        }
    }

    /// Whatever is changed in a test, the reader reads it or says where it is wrong.
    @Test func survivesAnyChange() {
        var random = SeededSource(seed: 1)
        let whole = Array(Self.whole)
        let pieces = [
            "|", ";", "{", "}", "(", ":", "P0", "r1", "LC00", "-", "0x", "exists", "@", ".", "(*", "~", "é", "\0",
        ]
        var read = 0
        for _ in 0..<4_000 {
            var text = whole
            for _ in 0...random.below(3) {
                let place = random.below(text.count)
                switch random.below(3) {
                case 0: text.remove(at: place)
                case 1: text.insert(contentsOf: pieces[random.below(pieces.count)], at: place)
                default: text.removeLast(min(text.count - 1, random.below(40)))
                }
            }
            let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
            do throws(LitmusError) {
                let test = try LitmusReader.read(String(text))
                for thread in test.threads {
                    for step in thread.instructions { #expect(step.line >= 1 && step.line <= lines.count) }
                }
                read += 1
            } catch {
                #expect(error.line >= 1 && error.line <= lines.count, "\(error)")
                #expect(error.column >= 1 && error.column <= lines[error.line - 1].count + 1, "\(error)")
            }
        }
        #expect(read > 100 && read < 3_900, "\(read)")
    }
}

/// Numbers that look random, the same in every run (SplitMix64).
struct SeededSource {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func below(_ count: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(count))
    }
}
