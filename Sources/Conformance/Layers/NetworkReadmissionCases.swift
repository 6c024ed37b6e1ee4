import Accelerator
import ExpertKernels
import ExpertParallel

/// Ranks that are taken in again where a network is the way to them.
func networkReadmissionCases(_ ways: [NetworkWay]) -> [ConformanceCase] { ways.map(lateRankCase) }

/// A rank that was late comes back, and the group has the bits of one that never lost it, whatever the rank has sent
/// meanwhile.
private func lateRankCase(_ way: NetworkWay) -> ConformanceCase {
    ConformanceCase("a masked rank comes back, network \(way.name)") { device in
        let device = way.device(device)
        let fixture = try networkFixture(ranks: 4)
        let plain = try fixture.layer(on: device)
        let expected = try (2..<4).map { try plain.step(fixture.inputs(step: $0), overlap: .none) }
        for mode in way.modes {
            let layer = try way.layer(fixture, on: device, waitLimit: maskWaitLimit(device), onFailure: .mask)
            let late = layer.group.ranks[1]
            let others = layer.group.ranks.filter { $0 !== late }
            try requireRight(layer, fixture, step: 0, without: [], mode, "\(mode), before")
            for time in LateSend.allCases {
                if time == .beforeIsMasked { try sendRows(late) }
                try requireRight(layer, fixture, step: 1, without: [1], mode, "\(mode), without it")
                for rank in others where try !rank.maskedRanks().contains(where: { $0.rank == 1 }) { try rank.mask(1) }
                if time == .whenMasked { try sendRows(late) }
                try late.adopt(step: others[0].currentStep())
                for rank in others { try rank.unmask(1) }
                for step in 2..<4 {
                    let outputs = try layer.step(fixture.inputs(step: step), overlap: mode)
                    try requireIdentical(
                        "\(mode), rows sent \(time.rawValue), step \(step)", outputs, expected[step - 2],
                        hidden: fixture.shape.hidden)
                }
                try require(try layer.group.maskedRanks().allSatisfy(\.isEmpty), "\(mode): somebody is masked")
            }
        }
    }
}

/// When a late rank sends rows of the step in which it is lost.
private enum LateSend: String, CaseIterable {
    /// Not at all.
    case never
    /// In time, and nothing behind them.
    case beforeIsMasked = "before it is masked"
    /// When nobody takes them any more: they are counted, and were not expected.
    case whenMasked = "when it is masked"
}

private func sendRows(_ rank: ExpertRank) throws {
    _ = try rank.dispatch()
    try rank.synchronize()
}
