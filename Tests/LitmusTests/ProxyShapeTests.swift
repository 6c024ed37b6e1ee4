import Litmus
import Testing

/// Accesses through other proxies and other addresses.
@Suite struct ProxyShapeTests {
    /// A generic store, and a load of the same memory in the same thread through `proxy`.
    private func shape(_ proxy: String, _ load: String, between: [String]) -> Shape {
        Shape(
            .block, [["st.weak x, 1"] + between + ["\(load).weak r0, s"]], "exists (P0:r0 == 0)",
            declarations: "x = 0; s @ \(proxy) aliases x")
    }

    @Test(arguments: [("surface", "suld"), ("texture", "tld"), ("constant", "cold")])
    func otherProxiesMayBeStale(_ proxy: String, _ load: String) throws {
        #expect(try shape(proxy, load, between: []).isAllowed)
        #expect(try shape(proxy, load, between: ["fence.sc.sys"]).isAllowed)
        #expect(try shape(proxy, load, between: ["fence.proxy.alias"]).isAllowed)
        #expect(try !shape(proxy, load, between: ["fence.proxy.\(proxy)"]).isAllowed)
    }

    @Test func otherAddressesMayBeStale() throws {
        #expect(try shape("generic", "ld", between: []).isAllowed)
        #expect(try !shape("generic", "ld", between: ["fence.proxy.alias"]).isAllowed)
        #expect(try shape("generic", "ld", between: ["fence.proxy.surface"]).isAllowed)
    }

    /// A surface store becomes visible to generic loads behind a fence of its block.
    @Test func messagesFromSurfaces() throws {
        func passing(_ fence: [String], reader: [String] = []) -> Shape {
            Shape(
                .gpu,
                [
                    ["sust.weak s, 1"] + fence + ["st.release.gpu f, 1"],
                    ["ld.acquire.gpu r0, f"] + reader + ["ld.weak r1, x"],
                ], "exists (P1:r0 == 1 /\\ P1:r1 == 0)", declarations: "x = 0; s @ surface aliases x")
        }
        #expect(try passing([]).isAllowed)
        #expect(try !passing(["fence.proxy.surface"]).isAllowed)
        #expect(try passing([], reader: ["fence.proxy.surface"]).isAllowed)
    }

    @Test func oneProxyInOneBlockNeedsNoFence() throws {
        let own = Shape(
            .block, [["sust.weak s, 1", "suld.weak r0, s"]], "exists (P0:r0 == 0)",
            declarations: "x = 0; s @ surface aliases x")
        #expect(try !own.isAllowed)
    }

    @Test func aliasesShareTheirMemory() throws {
        let shape = Shape(
            .block, [["st.weak y, 7"]], "forall (x == 7 /\\ y == 7)", declarations: "x = 3; y @ generic aliases x")
        let model = try Enumeration(shape.test)
        #expect(!model.isReachable && model.ends == [[7, 7]])
    }
}
