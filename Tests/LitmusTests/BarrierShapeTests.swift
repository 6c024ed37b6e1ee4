import Litmus
import Testing

/// Barriers: who meets, who waits for ever, and how many are enough.
@Suite struct BarrierShapeTests {
    private func buffering(_ first: String, _ second: String, third: String? = nil) -> Shape {
        let columns =
            [["st.weak x, 1", first, "ld.weak r0, y"], ["st.weak y, 1", second, "ld.weak r0, x"]]
            + (third.map { [[$0]] } ?? [])
        return Shape(.block, columns, "exists (P0:r0 == 0 /\\ P1:r0 == 0)")
    }

    @Test func barriersMeetByTheirNumbers() throws {
        #expect(try !buffering("bar.cta.sync 0", "bar.cta.sync 0").isAllowed)
        #expect(try buffering("bar.cta.sync 0", "bar.cta.sync 1").isAllowed)
        #expect(try !buffering("bar.cta.sync 0, 0", "bar.cta.sync 0, r9").isAllowed)
        #expect(try buffering("bar.cta.sync 0, 1", "bar.cta.sync 0, r9").isAllowed)
        #expect(try !buffering("barrier.sync 0", "bar.sync 0").isAllowed)
    }

    /// With fewer than a quorum nobody goes on, so there is no end.
    @Test func quorum() throws {
        #expect(try !buffering("bar.cta.sync 0, 0, 2", "bar.cta.sync 0, 0, 2").isAllowed)
        let hanging = try Enumeration(buffering("bar.cta.sync 0, 0, 3", "bar.cta.sync 0, 0, 3").test)
        #expect(hanging.ends.isEmpty && hanging.candidates > 0)
        // Two of three are enough, and need not be these two.
        #expect(
            try buffering("bar.cta.sync 0, 0, 2", "bar.cta.sync 0, 0, 2", third: "bar.cta.sync 0, 0, 2").isAllowed)
        #expect(
            try !buffering("bar.cta.sync 0, 0, 3", "bar.cta.sync 0, 0, 3", third: "bar.cta.sync 0, 0, 3").isAllowed)
    }

    /// An arrival is known to those that wait, and knows of nobody.
    @Test func arrivals() throws {
        func shape(_ first: String, _ second: String) -> Shape {
            Shape(
                .block, [["st.weak x, 1", first, "ld.weak r0, y"], ["st.weak y, 1", second, "ld.weak r0, x"]],
                "exists (P1:r0 == 0)")
        }
        #expect(try !shape("bar.cta.arrive 0", "bar.cta.sync 0").isAllowed)
        #expect(try shape("bar.cta.sync 0", "bar.cta.arrive 0").isAllowed)
    }

    @Test func waitingInACircle() throws {
        let circle = try Shape(
            .block, [["bar.cta.sync 0", "bar.cta.sync 1"], ["bar.cta.sync 1", "bar.cta.sync 0"]], "exists (x == 0)",
            declarations: "x = 0"
        ).test
        #expect(Enumeration(circle).ends.isEmpty)
    }

    /// The second time, they meet again.
    @Test func barriersInLoops() throws {
        let loop = [
            "LC0:", "add r1, r1, 1", "bar.cta.sync 0", "blt r1, 2, LC0",
        ]
        let shape = Shape(
            .block, [["st.weak x, 1"] + loop + ["ld.weak r0, y"], ["st.weak y, 1"] + loop + ["ld.weak r0, x"]],
            "forall (P0:r0 == 1 /\\ P1:r0 == 1 /\\ P0:r1 == 2)")
        let model = try Enumeration(shape.test)
        #expect(!model.isReachable && !model.ends.isEmpty)
    }
}
