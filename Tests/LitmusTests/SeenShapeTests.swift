import Litmus
import Simulator
import Testing

/// The classic shapes on the simulator: what the model allows, a schedule shows; what it forbids, none does.
@Suite struct SeenShapeTests {
    private func check(_ shape: Shape, isAllowed: Bool, _ comment: String = "") throws {
        let found = try LitmusExamination(shape.test, schedules: 4_000)
        #expect(found.isAllowed == isAllowed, "\(comment) \(shape)")
        #expect(found.verdict == .agrees && found.isSeen == isAllowed, "\(comment) \(found.verdict) \(shape)")
    }

    /// A load sees a newer store and then an older one.
    @Test(arguments: [
        (".weak", ".weak", true), (".relaxed.cta", ".relaxed.cta", true), (".relaxed.gpu", ".relaxed.cta", true),
        (".relaxed.gpu", ".relaxed.gpu", false), (".release.gpu", ".acquire.sys", false),
    ])
    func readsOfOneWord(_ write: String, _ read: String, _ isAllowed: Bool) throws {
        try check(
            Shape(
                .gpu, [["st\(write) x, 1", "st\(write) x, 2"], ["ld\(read) r0, x", "ld\(read) r1, x"]],
                "exists (P1:r0 == 2 /\\ P1:r1 == 1)"), isAllowed: isAllowed)
    }

    /// Two readers see two stores in opposite orders; memory holds either at the end.
    @Test(arguments: [(".weak", true), (".relaxed.gpu", false)])
    func coherenceOfTwoStores(_ write: String, _ isAllowed: Bool) throws {
        let reader = ["ld.relaxed.gpu r0, x", "ld.relaxed.gpu r1, x"]
        try check(
            Shape(
                .gpu, [["st\(write) x, 1"], ["st\(write) x, 2"], reader, reader],
                "exists (P2:r0 == 1 /\\ P2:r1 == 2 /\\ P3:r0 == 2 /\\ P3:r1 == 1)"), isAllowed: isAllowed)
    }

    /// What a thread reads after its own store, and what is there in the end.
    @Test func storesAndReadsOfOneThread() throws {
        try check(
            Shape(.gpu, [["st.weak x, 1", "ld.weak r0, x"]], "exists (P0:r0 == 0)"), isAllowed: false)
        try check(Shape(.gpu, [["ld.weak r0, x", "st.weak x, 1"]], "exists (P0:r0 == 1)"), isAllowed: false)
        let readThenWrite = { (write: String, read: String) in
            Shape(
                .gpu, [["st\(write) x, 1"], ["ld\(read) r0, x", "st\(write) x, 2"]],
                "exists (P1:r0 == 1 /\\ x == 1)")
        }
        try check(readThenWrite(".relaxed.gpu", ".relaxed.gpu"), isAllowed: false)
        try check(readThenWrite(".weak", ".weak"), isAllowed: true)
        let own = ["st.weak x, 2", "ld.weak r1, x"]
        try check(Shape(.gpu, [["st.weak x, 1"], own], "exists (P1:r1 == 1 /\\ x == 2)"), isAllowed: true)
    }

    @Test(arguments: [
        (".relaxed.gpu", ".relaxed.gpu", "", true), (".weak", ".weak", "", true),
        (".relaxed.gpu", ".release.gpu", "", true), (".acquire.gpu", ".relaxed.gpu", "", true),
        (".acquire.gpu", ".release.gpu", "", false), (".relaxed.gpu", ".relaxed.gpu", "fence.acq_rel.gpu", false),
        (".relaxed.gpu", ".relaxed.gpu", "fence.sc.gpu", false),
        (".relaxed.gpu", ".relaxed.gpu", "fence.sc.cta", true),
    ])
    func loadBuffering(_ read: String, _ write: String, _ between: String, _ isAllowed: Bool) throws {
        let threads = [("x", "y"), ("y", "x")].map { own, other in
            ["ld\(read) r0, \(own)", between, "st\(write) \(other), 1"]
        }
        try check(
            Shape(.gpu, threads, "exists (P0:r0 == 1 /\\ P1:r0 == 1)"), isAllowed: isAllowed,
            "\(read) \(write) \(between)")
    }

    /// The same by atomic operations, and with values or branches that depend on what was read.
    @Test func loadBufferingByOthers() throws {
        let atomics = [("x", "y"), ("y", "x")].map { own, other in
            ["atom.relaxed.gpu.add r0, \(own), 0", "st.relaxed.gpu \(other), 1"]
        }
        try check(Shape(.gpu, atomics, "exists (P0:r0 == 1 /\\ P1:r0 == 1)"), isAllowed: true)
        let data = [("x", "y"), ("y", "x")].map { own, other in ["ld.weak r0, \(own)", "st.weak \(other), r0"] }
        try check(Shape(.gpu, data, "exists (P0:r0 != 0)"), isAllowed: false)
        let control = [("x", "y"), ("y", "x")].map { own, other in
            ["ld.weak r0, \(own)", "bne r0, 1, LC0", "st.weak \(other), 1", "LC0:"]
        }
        try check(Shape(.gpu, control, "exists (P0:r0 == 1)"), isAllowed: false)
    }

    @Test(arguments: [("release", true), ("relaxed", true), ("fence.acq_rel.gpu", true), ("fence.sc.gpu", false)])
    func twoPlusTwoWrites(_ order: String, _ isAllowed: Bool) throws {
        let isFence = order.hasPrefix("fence")
        let write = isFence ? "relaxed" : order
        let threads = [("x", "y"), ("y", "x")].map { own, other in
            ["st.\(write).gpu \(own), 1", isFence ? order : "", "st.\(write).gpu \(other), 2"]
        }
        try check(Shape(.gpu, threads, "exists (x == 1 /\\ y == 1)"), isAllowed: isAllowed, order)
    }

    /// R and S: a store that must lose, behind a fence or a release.
    @Test func storesThatLose() throws {
        func r(_ fence: String) -> Shape {
            Shape(
                .gpu,
                [
                    ["st.relaxed.gpu x, 1", fence, "st.relaxed.gpu y, 1"],
                    ["st.relaxed.gpu y, 2", fence, "ld.relaxed.gpu r0, x"],
                ], "exists (y == 2 /\\ P1:r0 == 0)")
        }
        try check(r("fence.sc.gpu"), isAllowed: false)
        try check(r("fence.acq_rel.gpu"), isAllowed: true)
        func s(_ write: String, _ read: String) -> Shape {
            Shape(
                .gpu, [["st.relaxed.gpu x, 2", "st\(write) y, 1"], ["ld\(read) r0, y", "st.relaxed.gpu x, 1"]],
                "exists (x == 2 /\\ P1:r0 == 1)")
        }
        try check(s(".release.gpu", ".acquire.gpu"), isAllowed: false)
        try check(s(".relaxed.gpu", ".acquire.gpu"), isAllowed: true)
        try check(s(".release.gpu", ".relaxed.gpu"), isAllowed: true)
        try check(s(".release.cta", ".acquire.gpu"), isAllowed: true)
    }

    /// A message that begins or ends with several patterns of different scopes.
    @Test(arguments: [
        (["st.weak x, 1", "fence.acq_rel.gpu", "fence.acq_rel.cta", "st.relaxed.gpu f, 1"], false),
        (["st.weak x, 1", "fence.acq_rel.cta", "st.relaxed.gpu f, 1"], true),
        (["st.weak x, 1", "st.release.gpu f, 2", "st.release.cta f, 2", "st.relaxed.gpu f, 1"], false),
        (["st.weak x, 1", "st.release.cta f, 2", "st.relaxed.gpu f, 1"], true),
        (["st.volatile x, 1", "membar.gl", "st.volatile f, 1"], false),
        (["st.weak x, 1", "red.release.gpu.add f, 1"], false),
        (["st.weak x, 1", "red.acquire.gpu.add f, 1"], true),
    ])
    func messages(_ writer: [String], _ isAllowed: Bool) throws {
        for reader in [["ld.acquire.gpu r0, f"], ["ld.relaxed.gpu r0, f", "fence.acq_rel.cta", "fence.acq_rel.gpu"]] {
            try check(
                Shape(.gpu, [writer, reader + ["ld.weak r1, x"]], "exists (P1:r0 == 1 /\\ P1:r1 == 0)"),
                isAllowed: isAllowed)
        }
    }

    /// A read-modify-write of a third thread hands on a release that it does not hear itself.
    @Test func messageThroughAnotherBlock() throws {
        func shape(_ add: String) -> Shape {
            var shape = Shape(
                .block,
                [
                    ["st.weak x, 1", "fence.acq_rel.cta", "st.relaxed.gpu f, 1"], ["atom.relaxed.\(add).add r0, f, 1"],
                    ["ld.acquire.gpu r1, f", "ld.weak r2, x"],
                ], "exists (P1:r0 == 1 /\\ P2:r1 == 2 /\\ P2:r2 == 0)")
            shape.heads[1] = "P1@cta 1,gpu 0"
            return shape
        }
        try check(shape("gpu"), isAllowed: false)
        try check(shape("cta"), isAllowed: true)
    }

    @Test func writeToReadCausality() throws {
        func shape(_ write: String, _ read: String) -> Shape {
            Shape(
                .gpu,
                [
                    ["st.relaxed.gpu x, 1"], ["ld.relaxed.gpu r0, x", "st\(write) y, 1"],
                    ["ld\(read) r1, y", "ld.relaxed.gpu r2, x"],
                ], "exists (P1:r0 == 1 /\\ P2:r1 == 1 /\\ P2:r2 == 0)")
        }
        try check(shape(".release.gpu", ".acquire.gpu"), isAllowed: false)
        try check(shape(".relaxed.gpu", ".acquire.gpu"), isAllowed: true)
    }

    @Test(arguments: [
        (".acquire.gpu", "", true), (".relaxed.gpu", "fence.acq_rel.gpu", true), (".relaxed.gpu", "fence.sc.cta", true),
        (".relaxed.gpu", "fence.sc.gpu", false),
    ])
    func independentReads(_ read: String, _ fence: String, _ isAllowed: Bool) throws {
        try check(
            Shape(
                .gpu,
                [
                    ["st.relaxed.gpu x, 1"], ["st.relaxed.gpu y, 1"], ["ld\(read) r0, x", fence, "ld\(read) r1, y"],
                    ["ld\(read) r0, y", fence, "ld\(read) r1, x"],
                ], "exists (P2:r0 == 1 /\\ P2:r1 == 0 /\\ P3:r0 == 1 /\\ P3:r1 == 0)"), isAllowed: isAllowed,
            "\(read) \(fence)")
    }

    /// Read-modify-writes are indivisible to those in their scope, and to no others.
    @Test(arguments: [("gpu", false), ("cta", true)])
    func readModifyWrites(_ scope: String, _ isAllowed: Bool) throws {
        let add = ["atom.acq_rel.\(scope).add r0, x, 1"]
        try check(Shape(.gpu, [add, add], "exists (x != 2)"), isAllowed: isAllowed)
        let swap = ["atom.relaxed.\(scope).cas r0, x, 0, 1"]
        try check(Shape(.gpu, [swap, swap], "exists (P0:r0 == 0 /\\ P1:r0 == 0)"), isAllowed: isAllowed)
        let store = ["st.relaxed.gpu x, 5"]
        try check(Shape(.gpu, [add, store], "exists (P0:r0 == 0 /\\ x == 1)"), isAllowed: isAllowed)
        // A swap that fails reads only.
        let same = ["atom.relaxed.gpu.cas r0, x, 1, 1"]
        try check(Shape(.gpu, [same, ["st.weak x, 2"]], "exists (x == 0)"), isAllowed: false)
    }

    /// Any that are enough may be the ones that meet; whoever comes too many is not ordered with them.
    @Test func barriers() throws {
        func shape(_ quorum: Int) -> Shape {
            let barrier = "bar.cta.sync 1, 1, \(quorum)"
            return Shape(
                .block, [["st.weak x, 1", barrier], [barrier, "ld.weak r0, x"], [barrier]], "exists (P1:r0 == 0)")
        }
        try check(shape(2), isAllowed: true)
        try check(shape(3), isAllowed: false)
        try check(shape(4), isAllowed: false)
        // Names tell them apart, and so does how often a thread has come.
        let twice = ["bar.cta.sync 1, 1", "bar.cta.sync 1, 2"]
        try check(
            Shape(.block, [["st.weak x, 1"] + twice, twice + ["ld.weak r0, x"]], "exists (P1:r0 == 0)"),
            isAllowed: false)
        // The first time of one and the second of the other are no meeting.
        try check(
            Shape(.block, [["st.weak x, 1", twice[1]], twice + ["ld.weak r0, x"]], "exists (P1:r0 == 0)"),
            isAllowed: true)
    }

    /// A name that the program computes decides who meets.
    @Test func computedNames() throws {
        func shape(_ value: Int, _ question: String) -> Shape {
            Shape(
                .block,
                [
                    ["st.weak x, 1", "ld.weak r2, z", "bar.cta.sync 1, r2", "ld.weak r0, y"],
                    ["st.weak y, 1", "bar.cta.sync 1, 1", "ld.weak r1, x"], ["st.weak z, \(value)"],
                ], question)
        }
        let buffering = "P0:r0 == 0 /\\ P1:r1 == 0"
        try check(shape(1, "exists (P0:r2 == 1 /\\ \(buffering))"), isAllowed: false)
        try check(shape(1, "exists (P0:r2 == 1 /\\ P0:r0 == 1 /\\ P1:r1 == 1)"), isAllowed: true)
        try check(shape(2, "exists (P0:r2 == 2 /\\ \(buffering))"), isAllowed: true)
        // Without a name is not name 0.
        let unnamed = Shape(
            .block, [["ld.weak r2, z", "bar.cta.sync 1, r2", "ld.weak r0, x"], ["st.weak x, 1", "bar.cta.sync 1"]],
            "exists (P0:r0 == 0)")
        try check(unnamed, isAllowed: true)
    }

    /// The same schedule shows the same end again.
    @Test func schedulesCanBeShownAgain() throws {
        let shape = Shape(
            .gpu, [["st.weak x, 1", "st.weak x, 2"], ["ld.weak r0, x", "ld.weak r1, x"]],
            "exists (P1:r0 == 2 /\\ P1:r1 == 1)")
        let (first, second) = (try LitmusExamination(shape.test), try LitmusExamination(shape.test))
        #expect(first.shown != nil && first.shown == second.shown)
        #expect(first.simulation?.ends == second.simulation?.ends && first.simulation?.isComplete == true)
        #expect(Set(try #require(first.simulation).ends.keys) == first.model.ends)
    }
}
