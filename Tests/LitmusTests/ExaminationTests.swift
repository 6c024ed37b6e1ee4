import Litmus
import Simulator
import Testing

/// Model, simulator and judge on the same programs.
@Suite struct ExaminationTests {
    private func examine(_ shape: Shape, expected: Bool? = nil) throws -> LitmusExamination {
        try LitmusExamination(shape.test, expected: expected)
    }

    private func storeBuffering(_ order: String, _ between: String, place: Shape.Place = .gpu) -> Shape {
        Shape(
            place,
            [["st\(order) x, 1", between, "ld\(order) r0, y"], ["st\(order) y, 1", between, "ld\(order) r0, x"]],
            "exists (P0:r0 == 0 /\\ P1:r0 == 0)")
    }

    @Test(arguments: Shape.Place.allCases)
    func weakOutcomeIsSeen(_ place: Shape.Place) throws {
        let found = try examine(storeBuffering(".relaxed.\(place.scope)", "", place: place))
        #expect(found.verdict == .agrees && found.isAllowed && found.isSeen)
        let simulation = try #require(found.simulation)
        #expect(simulation.isComplete && simulation.race == nil && !found.model.hasRace)
        #expect(Set(simulation.ends.keys) == found.model.ends)
    }

    @Test(arguments: Shape.Place.allCases)
    func sequentialFencesForbidIt(_ place: Shape.Place) throws {
        let order = ".relaxed.\(place.scope)"
        let found = try examine(storeBuffering(order, "fence.sc.\(place.scope)", place: place))
        #expect(found.verdict == .agrees && !found.isAllowed && !found.isSeen)
        #expect(Set(try #require(found.simulation).ends.keys) == found.model.ends)
        let weaker = try examine(storeBuffering(order, "fence.acq_rel.\(place.scope)", place: place))
        #expect(weaker.verdict == .agrees && weaker.isAllowed && weaker.isSeen)
    }

    /// Where the test races, the judge says so, and the ends come from schedules that follow the race.
    @Test func racesAreReported() throws {
        let found = try examine(storeBuffering(".weak", ""))
        #expect(found.verdict == .agrees && found.isSeen)
        #expect(found.model.hasRace && found.simulation?.race != nil)
        let clean = try examine(
            Shape(
                .gpu,
                [
                    ["st.weak x, 1", "st.release.gpu f, 1"],
                    ["ld.acquire.gpu r0, f", "bne r0, 1, LC0", "ld.weak r1, x", "LC0:"],
                ], "exists (P1:r0 == 1 /\\ P1:r1 == 0)"))
        #expect(clean.verdict == .agrees && !clean.isSeen)
        #expect(!clean.model.hasRace && clean.simulation?.race == nil && clean.simulation?.isComplete == true)
    }

    /// The simulator is stronger than the model: two addresses of one memory never differ.
    @Test func allowedButNotSeen() throws {
        let found = try examine(
            Shape(
                .gpu, [["st.weak y, 7", "ld.weak r0, x"]], "exists (P0:r0 == 3)",
                declarations: "x = 3; y @ generic aliases x"))
        #expect(found.verdict == .allowedButNotSeen && found.simulation?.isComplete == true)
        #expect(found.strays.isEmpty)
    }

    /// Somebody who expects what is wrong is told so: by what was seen, or by the model.
    @Test func wrongExpectations() throws {
        let seen = try examine(storeBuffering(".relaxed.gpu", ""), expected: false)
        #expect(seen.verdict == .seenThoughForbidden && seen.shown != nil)
        let forbidden = try examine(storeBuffering(".relaxed.gpu", "fence.sc.gpu"), expected: true)
        #expect(forbidden.verdict == .expectedOtherwise)
        #expect(try examine(storeBuffering(".relaxed.gpu", "fence.sc.gpu"), expected: false).verdict == .agrees)
    }

    @Test func barriers() throws {
        let columns = [
            ["st.weak x, 1", "bar.cta.sync 1", "ld.weak r0, y"], ["st.weak y, 1", "bar.cta.sync 1", "ld.weak r0, x"],
        ]
        let found = try examine(Shape(.block, columns, "forall (P0:r0 == 1 /\\ P1:r0 == 1)"))
        #expect(found.verdict == .agrees && !found.isSeen)
        #expect(found.simulation?.race == nil && found.simulation?.isComplete == true)
        let quorum = try examine(
            Shape(
                .block, [["st.weak x, 1", "bar.cta.sync 1, 1, 2"], ["bar.cta.sync 1, 1, 2", "ld.weak r0, x"]],
                "forall (P1:r0 == 1)"))
        #expect(quorum.verdict == .agrees && quorum.simulation?.race == nil)
        let hanging = try examine(
            Shape(
                .block, [["bar.cta.sync 1, 1, 3"], ["bar.cta.sync 1, 1, 3"]], "exists (x == 0)", declarations: "x = 0"))
        #expect(hanging.verdict == .agrees && !hanging.isAllowed)
        #expect(try #require(hanging.simulation).hangs > 0 && hanging.simulation?.ends.isEmpty == true)
    }

    /// A lock by compare-and-swap, waited for in a loop, and the same with a release that is none.
    @Test(arguments: ["release", "relaxed"])
    func locks(_ unlock: String) throws {
        let thread = { (value: Int) in
            [
                "LC0:", "atom.acquire.gpu.cas r0, lock, 0, 1", "bne r0, 0, LC0", "ld.weak r1, x", "st.weak x, \(value)",
                "atom.\(unlock).gpu.exch r2, lock, 0",
            ]
        }
        let found = try examine(
            Shape(.gpu, [thread(1), thread(2)], "exists (P0:r1 == 0 /\\ P1:r1 == 0)", declarations: "lock = 0; x = 0"))
        #expect(found.isAllowed == (unlock == "relaxed"))
        #expect(found.verdict == .agrees && found.isSeen == found.isAllowed)
        #expect(found.model.hasRace == (unlock == "relaxed"))
        #expect((found.simulation?.race != nil) == (unlock == "relaxed"))
    }

    @Test func whatTheLanguageLacks() throws {
        let surface = try examine(
            Shape(
                .block, [["sust.weak s, 1", "suld.weak r0, s"]], "exists (P0:r0 == 0)",
                declarations: "x = 0; s @ surface aliases x"))
        #expect(surface.simulation == nil && surface.obstacle?.description == "the surface proxy")
        #expect(surface.verdict == .agrees)
        let wide = try examine(Shape(.block, [["st.weak x, 5000000000"]], "exists (x == 5000000000)"))
        #expect(wide.obstacle?.description.contains("more than 32 bits") == true)
        #expect(wide.verdict == .allowedButNotSeen)
    }

    @Test func addressesOfOneMemory() throws {
        let found = try examine(
            Shape(
                .gpu, [["st.relaxed.gpu y, 7", "fence.proxy.alias", "ld.relaxed.gpu r0, x"]], "forall (P0:r0 == 7)",
                declarations: "x = 3; y @ generic aliases x"))
        #expect(found.verdict == .agrees && found.simulation?.ends.keys.first == [7])
    }

    /// Programs made at random: no schedule shows what the model forbids, and where it races, the judge says so.
    @Test func randomPrograms() throws {
        var random = SeededSource(seed: 7)
        var races = 0
        for number in 0..<60 {
            let place = Shape.Place.allCases[random.below(3)]
            let scopes = ["cta", "gpu", "sys"]
            func scope() -> String { scopes[random.below(3)] }
            func location() -> String { ["x", "y"][random.below(2)] }
            let columns = (0..<2).map { _ in
                (0..<3).map { row -> String in
                    switch random.below(7) {
                    case 0: "st.weak \(location()), \(row + 1)"
                    case 1: "st.relaxed.\(scope()) \(location()), \(row + 1)"
                    case 2: "st.release.\(scope()) \(location()), \(row + 1)"
                    case 3: "ld.relaxed.\(scope()) r\(row), \(location())"
                    case 4: "ld.acquire.\(scope()) r\(row), \(location())"
                    case 5: "atom.acq_rel.\(scope()).add r\(row), \(location()), 1"
                    default: ["fence.sc.", "fence.acq_rel."][random.below(2)] + scope()
                    }
                }
            }
            let terms = (0..<2).flatMap { thread in (0..<3).map { "P\(thread):r\($0) >= 0" } } + ["x >= 0", "y >= 0"]
            let shape = Shape(
                place, columns, "forall (\(terms.joined(separator: " /\\ ")))", declarations: "x = 0; y = 0")
            let found = try LitmusExamination(shape.test, schedules: 2_000)
            #expect(found.verdict == .agrees, "\(number): \(shape)\n\(found.strays)")
            #expect(found.model.isComplete && found.simulation != nil, "\(shape)")
            // The other way round the simulator may be too strong to get there.
            if found.simulation?.race != nil { #expect(found.model.hasRace, "\(shape)") }
            if found.model.hasRace { races += 1 }
        }
        #expect(races > 5 && races < 55)
    }
}
