import Litmus
import Simulator
import Testing

/// Programs made at random of all that straight code has: no schedule shows what the model forbids.
@Suite struct RandomProgramTests {
    /// One instruction of each kind, for a thread's row; `value` is another one for each.
    private static func instruction(_ random: inout SeededSource, row: Int, value: Int, barriers: Bool) -> String {
        let scope = ["cta", "gpu", "sys"][random.below(3)]
        let location = ["x", "y"][random.below(2)]
        let order = ["relaxed", "acquire", "release", "acq_rel"][random.below(4)]
        switch random.below(12) {
        case 0: return "st.weak \(location), \(value)"
        case 1: return "ld.weak r\(row), \(location)"
        case 2: return "st.relaxed.\(scope) \(location), \(value)"
        case 3: return "st.release.\(scope) \(location), \(value)"
        case 4: return "ld.relaxed.\(scope) r\(row), \(location)"
        case 5: return "ld.acquire.\(scope) r\(row), \(location)"
        case 6: return "atom.\(order).\(scope).add r\(row), \(location), \(value)"
        case 7: return "atom.\(order).\(scope).exch r\(row), \(location), \(value)"
        case 8: return "atom.\(order).\(scope).cas r\(row), \(location), 0, \(value)"
        case 9: return row > 0 ? "st.relaxed.\(scope) \(location), r\(row - 1)" : "ld.volatile r\(row), \(location)"
        case 10 where barriers: return "bar.cta.sync 0" + ["", ", 0, 2"][random.below(2)]
        default: return ["fence.sc.", "fence.acq_rel."][random.below(2)] + scope
        }
    }

    @Test(arguments: [(threads: 2, rows: 3), (threads: 2, rows: 4), (threads: 3, rows: 3), (threads: 4, rows: 2)])
    func nothingForbiddenIsSeen(_ size: (threads: Int, rows: Int)) throws {
        var random = SeededSource(seed: UInt64(size.threads * 10 + size.rows))
        var (races, seen, weak) = (0, 0, 0)
        for number in 0..<30 {
            let place = Shape.Place.allCases[random.below(3)]
            let columns = (0..<size.threads).map { thread in
                (0..<size.rows).map { row in
                    Self.instruction(
                        &random, row: row, value: thread * size.rows + row + 1, barriers: place == .block)
                }
            }
            let registers = (0..<size.threads).flatMap { thread in
                (0..<size.rows).map { "P\(thread):r\($0) >= 0" }
            }
            let terms = (registers + ["x >= 0", "y >= 0"]).joined(separator: " /\\ ")
            let shape = Shape(place, columns, "forall (\(terms))", declarations: "x = 0; y = 0")
            let found = try LitmusExamination(shape.test, schedules: 400, seconds: 2)
            #expect(found.model.isComplete && found.strays.isEmpty, "\(number): \(shape)\n\(found.strays)")
            #expect(found.verdict == .agrees, "\(number): \(shape)")
            if found.model.hasRace { races += 1 }
            seen += found.simulation?.ends.count ?? 0
            weak += found.model.ends.count
        }
        #expect(races > 5 && races < 30, "\(races)")
        // Not by seeing little: in so few schedules, a good part of what the model allows comes up.
        #expect(seen * 4 > weak, "\(seen) of \(weak) ends")
    }
}
