/// The families as a table, for documentation.
package enum FamilyTable {
    /// A line for each family: the models, `model_type`, the router, the shared expert, and whether `run` accepts the
    /// layers.
    package static let markdown: String = {
        let lines = ModelFamily.all.map { family in
            let types = family.modelTypes.map { "`\($0)`" }.joined(separator: ", ")
            guard family.refusal == nil else {
                return "| \(family.title) | \(types) | | | refused: \(family.refusal ?? "") |"
            }
            return "| \(family.title) | \(types) | \(family.routerText) | \(family.sharedText) | \(family.runText) |"
        }
        return (["| models | model_type | router | shared expert | run |", "| --- | --- | --- | --- | --- |"] + lines)
            .joined(separator: "\n") + "\n"
    }()
}

extension ModelFamily {
    fileprivate var routerText: String {
        let score =
            switch router.scoring {
            case .sigmoid: "sigmoid"
            case .softmax: "softmax"
            case .squareRootOfSoftplus: "square root of softplus"
            case .softmaxOfChosen: "softmax of the chosen"
            }
        let normalised =
            switch router.normalise {
            case .always: "normalised"
            case .never: "not normalised"
            case .ofSeveral: "normalised if several"
            case .key(let key): "`\(key.names[0])`" + (key.absent.map { ", else \($0 ? "normalised" : "not")" } ?? "")
            }
        return [
            score, tensors.choiceBias == nil ? nil : "bias for the choice",
            router.groups.map { $0.score == .best ? "groups by their best" : "groups by their two best" }, normalised,
            router.scale.map { "`\($0.names[0])`" },
        ].compactMap { $0 }.joined(separator: ", ")
    }

    fileprivate var sharedText: String {
        switch shared {
        case .none: "none"
        case .multiple(let key, _): "`\(key.names[0])`"
        case .width(let key, let gated): "`\(key.names[0])`" + (gated ? " with a gate" : "")
        }
    }

    fileprivate var runText: String {
        let routed = tokenRouted.map {
            "layers that choose experts by token id (`\($0.count.names[0])`) are refused"
        }
        return ["yes", activation.text, note, routed].compactMap { $0 }.joined(separator: "; ")
    }
}
