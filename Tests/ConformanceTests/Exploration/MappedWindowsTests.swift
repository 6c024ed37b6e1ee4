import Conformance
import ExpertKernels
import ExpertParallel
import Testing

/// Ranks that have each other's windows at addresses of their own are judged as ranks that share the addresses are.
@Suite struct MappedWindowsTests {
    @Test func whatIsWeakenedIsFoundOut() throws {
        let shape = try LayerShape(hidden: 128, intermediate: 128, experts: 2, topK: 2, ranks: 2, maxTokens: 2)
        let (local, anew) = try (
            findings(.layer(shape, tokens: [2, 1], overlap: .direct)),
            findings(.layer(shape, tokens: [2, 1], overlap: .direct, mapsWindowsAnew: true))
        )
        #expect(local.found == anew.found && local.missed == anew.missed)
        #expect(anew.found.count >= 8 && anew.found.contains { $0.hasPrefix("combine receive") })
    }

    /// Mutations of what ranks synchronise by, by whether they are found out.
    private func findings(_ workload: Workload) throws -> (found: Set<String>, missed: Set<String>) {
        let all = try MutationSurvey(workloads: [workload], schedules: 8, filter: "system scope").run()
        func names(_ isFound: Bool) -> Set<String> {
            Set(all.filter { ($0.failure != nil) == isFound }.map { "\($0.kernel): \($0.mutation)" })
        }
        return (names(true), names(false))
    }
}
