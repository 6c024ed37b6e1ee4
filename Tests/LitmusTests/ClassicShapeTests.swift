import Litmus
import Testing

/// The classic shapes, with what PTX's memory model is known to allow of them.
@Suite struct ClassicShapeTests {
    /// Message passing: data, then a flag; flag, then data.
    private func messagePassing(
        _ place: Shape.Place, write: String, read: String, data: String = ".weak", fence: String? = nil
    ) -> Shape {
        let between = fence.map { [$0] } ?? []
        return Shape(
            place,
            [["st\(data) x, 1"] + between + ["st\(write) f, 1"], ["ld\(read) r1, f"] + between + ["ld\(data) r2, x"]],
            "exists (P1:r1 == 1 /\\ P1:r2 == 0)")
    }

    @Test(arguments: Shape.Place.allCases)
    func messagePassing(_ place: Shape.Place) throws {
        let scope = place.scope
        #expect(try !messagePassing(place, write: ".release.\(scope)", read: ".acquire.\(scope)").isAllowed)
        #expect(try messagePassing(place, write: ".relaxed.\(scope)", read: ".acquire.\(scope)").isAllowed)
        #expect(try messagePassing(place, write: ".release.\(scope)", read: ".relaxed.\(scope)").isAllowed)
        #expect(try messagePassing(place, write: ".weak", read: ".weak").isAllowed)
        for fence in ["fence.acq_rel.\(scope)", "fence.sc.\(scope)"] {
            #expect(
                try !messagePassing(place, write: ".relaxed.\(scope)", read: ".relaxed.\(scope)", fence: fence)
                    .isAllowed)
            // Fences order nothing that weak accesses carry over, unless the fences themselves are ordered.
            let weak = messagePassing(place, write: ".weak", read: ".weak", fence: fence)
            #expect(try weak.isAllowed == fence.contains("acq_rel"))
        }
    }

    @Test func messagePassingInTooNarrowAScope() throws {
        #expect(try messagePassing(.gpu, write: ".release.cta", read: ".acquire.gpu").isAllowed)
        #expect(try messagePassing(.gpu, write: ".release.gpu", read: ".acquire.cta").isAllowed)
        #expect(try messagePassing(.system, write: ".release.gpu", read: ".acquire.gpu").isAllowed)
        #expect(try !messagePassing(.block, write: ".release.sys", read: ".acquire.cta").isAllowed)
    }

    @Test func messagePassingByReadModifyWrite() throws {
        for (write, isAllowed) in [("release", false), ("acq_rel", false), ("relaxed", true), ("acquire", true)] {
            let shape = Shape(
                .gpu,
                [["st.weak x, 1", "red.\(write).gpu.add f, 1"], ["ld.acquire.gpu r1, f", "ld.weak r2, x"]],
                "exists (P1:r1 == 1 /\\ P1:r2 == 0)")
            #expect(try shape.isAllowed == isAllowed, "\(write)")
        }
        // What a release handed to a read-modify-write, the next one hears.
        let chain = Shape(
            .gpu,
            [
                ["st.weak x, 1", "st.release.gpu f, 1"], ["atom.relaxed.gpu.add r0, f, 1"],
                ["ld.acquire.gpu r1, f", "ld.weak r2, x"],
            ], "exists (P1:r0 == 1 /\\ P2:r1 == 2 /\\ P2:r2 == 0)")
        #expect(try !chain.isAllowed)
    }

    private func storeBuffering(_ place: Shape.Place, _ between: String, order: String = ".weak") -> Shape {
        Shape(
            place,
            [["st\(order) x, 1", between, "ld\(order) r0, y"], ["st\(order) y, 1", between, "ld\(order) r0, x"]],
            "exists (P0:r0 == 0 /\\ P1:r0 == 0)")
    }

    @Test(arguments: Shape.Place.allCases)
    func storeBuffering(_ place: Shape.Place) throws {
        #expect(try storeBuffering(place, "").isAllowed)
        #expect(try storeBuffering(place, "", order: ".relaxed.\(place.scope)").isAllowed)
        #expect(try storeBuffering(place, "fence.acq_rel.\(place.scope)").isAllowed)
        #expect(try !storeBuffering(place, "fence.sc.\(place.scope)").isAllowed)
        #expect(try !storeBuffering(place, "fence.sc.sys").isAllowed)
        #expect(try storeBuffering(place, "fence.sc.cta").isAllowed == (place != .block))
        #expect(try storeBuffering(place, "bar.cta.sync 0").isAllowed == (place != .block))
    }

    @Test func loadBuffering() throws {
        func shape(_ read: String, _ write: String, value: String = "1") -> Shape {
            Shape(
                .gpu, [["ld\(read) r0, x", "st\(write) y, \(value)"], ["ld\(read) r0, y", "st\(write) x, \(value)"]],
                "exists (P0:r0 == 1 /\\ P1:r0 == 1)")
        }
        #expect(try shape(".relaxed.gpu", ".relaxed.gpu").isAllowed)
        #expect(try shape(".weak", ".weak").isAllowed)
        #expect(try !shape(".acquire.gpu", ".release.gpu").isAllowed)
        // Release stores alone, or acquire loads alone, do not synchronise with anything.
        #expect(try shape(".relaxed.gpu", ".release.gpu").isAllowed)
        #expect(try shape(".acquire.gpu", ".relaxed.gpu").isAllowed)
        // Nothing comes out of thin air.
        #expect(try !shape(".relaxed.gpu", ".relaxed.gpu", value: "r0").isAllowed)
    }

    /// A branch is a dependency too.
    @Test func controlDependency() throws {
        let shape = Shape(
            .gpu,
            [
                ["ld.relaxed.gpu r0, x", "bne r0, 1, LC0", "st.relaxed.gpu y, 1", "LC0:"],
                ["ld.relaxed.gpu r0, y", "bne r0, 1, LC0", "st.relaxed.gpu x, 1", "LC0:"],
            ], "exists (P0:r0 == 1 \\/ P1:r0 == 1)")
        #expect(try !shape.isAllowed)
    }

    @Test func independentReads() throws {
        func shape(_ write: String, _ read: String, fence: String) -> Shape {
            Shape(
                .gpu,
                [
                    ["st\(write) x, 1"], ["st\(write) y, 1"], ["ld\(read) r0, x", fence, "ld\(read) r1, y"],
                    ["ld\(read) r0, y", fence, "ld\(read) r1, x"],
                ], "exists (P2:r0 == 1 /\\ P2:r1 == 0 /\\ P3:r0 == 1 /\\ P3:r1 == 0)")
        }
        #expect(try shape(".weak", ".weak", fence: "").isAllowed)
        #expect(try shape(".release.gpu", ".acquire.gpu", fence: "").isAllowed)
        #expect(try shape(".relaxed.gpu", ".relaxed.gpu", fence: "fence.acq_rel.gpu").isAllowed)
        #expect(try !shape(".relaxed.gpu", ".relaxed.gpu", fence: "fence.sc.gpu").isAllowed)
        #expect(try shape(".relaxed.gpu", ".relaxed.gpu", fence: "fence.sc.cta").isAllowed)
    }

    @Test func writeToReadCausality() throws {
        func shape(_ write: String, _ read: String) -> Shape {
            Shape(
                .gpu,
                [
                    ["st.relaxed.gpu x, 1"], ["ld\(read) r0, x", "st\(write) y, 1"],
                    ["ld\(read) r1, y", "ld.relaxed.gpu r2, x"],
                ], "exists (P1:r0 == 1 /\\ P2:r1 == 1 /\\ P2:r2 == 0)")
        }
        #expect(try !shape(".release.gpu", ".acquire.gpu").isAllowed)
        #expect(try shape(".relaxed.gpu", ".acquire.gpu").isAllowed)
        #expect(try shape(".release.gpu", ".relaxed.gpu").isAllowed)
    }

    @Test func coherence() throws {
        func reads(_ write: String, _ read: String) -> Shape {
            Shape(
                .gpu, [["st\(write) x, 1", "st\(write) x, 2"], ["ld\(read) r0, x", "ld\(read) r1, x"]],
                "exists (P1:r0 == 2 /\\ P1:r1 == 1)")
        }
        #expect(try !reads(".relaxed.gpu", ".relaxed.gpu").isAllowed)
        // Weak accesses of two threads race; nothing is promised.
        #expect(try reads(".weak", ".weak").isAllowed)
        #expect(try reads(".relaxed.cta", ".relaxed.cta").isAllowed)
        let own = Shape(.gpu, [["st.weak x, 1", "st.weak x, 2", "ld.weak r0, x"]], "exists (P0:r0 != 2 \\/ x != 2)")
        #expect(try !own.isAllowed)
        let future = Shape(.gpu, [["ld.weak r0, x", "st.weak x, 1"]], "exists (P0:r0 != 0)")
        #expect(try !future.isAllowed)
    }

    @Test func twoPlusTwoWrites() throws {
        func shape(_ write: String, between: String = "") -> Shape {
            Shape(
                .gpu,
                [["st\(write) x, 1", between, "st\(write) y, 2"], ["st\(write) y, 1", between, "st\(write) x, 2"]],
                "exists (x == 1 /\\ y == 1)")
        }
        #expect(try shape(".relaxed.gpu").isAllowed)
        #expect(try shape(".release.gpu").isAllowed)
        #expect(try !shape(".relaxed.gpu", between: "fence.sc.gpu").isAllowed)
    }

    @Test func readModifyWritesAreIndivisible() throws {
        func shape(_ place: Shape.Place, _ scope: String) -> Shape {
            let add = ["atom.relaxed.\(scope).add r0, x, 1"]
            return Shape(place, [add, add, add], "exists (x != 3)")
        }
        #expect(try !shape(.gpu, "gpu").isAllowed)
        #expect(try shape(.gpu, "cta").isAllowed)
        #expect(try !shape(.system, "sys").isAllowed)
        let swap = ["atom.acquire.gpu.cas r0, x, 0, 1"]
        #expect(try !Shape(.gpu, [swap, swap], "exists (P0:r0 == P1:r0)").isAllowed)
        let exchange = Shape(
            .gpu, [["atom.relaxed.gpu.exch r0, x, 1"], ["atom.relaxed.gpu.exch r0, x, 2"]],
            "exists (P0:r0 == 2 /\\ P1:r0 == 1)")
        #expect(try !exchange.isAllowed)
    }

    @Test func filterLeavesEndsOut() throws {
        let columns = [["st.relaxed.gpu x, 1"], ["ld.relaxed.gpu r0, x"]]
        #expect(try Shape(.gpu, columns, "exists (P1:r0 == 0)").isAllowed)
        #expect(try !Shape(.gpu, columns, "filter (P1:r0 == 1) exists (P1:r0 == 0)").isAllowed)
    }

    /// `forall` asks about ends at which the condition does not hold.
    @Test func questions() throws {
        let columns = [["st.relaxed.gpu x, 1"], ["ld.relaxed.gpu r0, x"]]
        for (line, isTrue) in [
            ("exists (P1:r0 == 1)", true), ("~exists (P1:r0 == 1)", false), ("~exists (P1:r0 == 2)", true),
            ("forall (P1:r0 < 2 /\\ x == 1)", true), ("forall (P1:r0 == 1)", false), ("exists (P1:r0 > 1)", false),
            ("forall (not P1:r0 >= 2)", true), ("exists (~(P1:r0 == 0) /\\ [x] = 1)", true),
        ] {
            let test = try Shape(.gpu, columns, line).test
            #expect(test.question.isTrue(reachable: Enumeration(test).isReachable) == isTrue, "\(line)")
        }
    }
}
