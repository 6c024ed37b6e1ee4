import Accelerator
import ExpertKernels
import ExpertParallel

/// The options that give the sizes of a layer.
///
/// They take any positive number: `LayerShape` knows which ones the kernels support, and says so.
enum ShapeOptions {
    static let hidden = size("hidden", "Channels of a token, a multiple of \(LayerShape.channelStep).")
    static let intermediate = size(
        "intermediate", "Channels between an expert's two GEMMs, a multiple of \(LayerShape.channelStep).")
    static let experts = size("experts", "Routed experts, a multiple of the ranks.")
    static let topK = size("topk", "Experts that each token selects, 1 to 32.")
    static let ranks = size("ranks", "Ranks that share the experts, 1 to \(LayerShape.mostRanks).")

    private static func size(_ name: String, _ help: String) -> Option<Int> {
        .integer(name, in: 1...1_000_000_000, help: help)
    }

    /// The sizes of a model.
    static let model: [Option<Int>] = [hidden, intermediate, experts, topK]

    /// Sizes where no options give them.
    struct Defaults {
        var hidden: Int
        var intermediate: Int
        var experts: Int
        var topK: Int
        var ranks: Int
        var tokens: Int

        /// A layer that the simulator runs in seconds.
        static let small = Defaults(hidden: 1024, intermediate: 512, experts: 32, topK: 8, ranks: 4, tokens: 16)
        /// DeepSeek-V3's experts, 16 on each of two ranks.
        static let deepSeekV3 = Defaults(hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, tokens: 16)

        /// The default sizes of `swiftep run`.
        static func ofRun(on kind: DeviceProperties.Kind) -> Defaults { kind == .cuda ? deepSeekV3 : small }

        /// The sizes in the words of help.
        var model: String { "hidden \(hidden), intermediate \(intermediate), \(experts) experts, top-\(topK)" }
    }

    /// The shape that was asked for. Throws `UsageError` for sizes that the kernels do not have.
    static func shape(
        _ arguments: Arguments, _ defaults: Defaults, ranks: Int? = nil, tokens: Int, sharedExperts: Int = 1
    ) throws -> LayerShape {
        do {
            return try LayerShape(
                hidden: arguments[hidden] ?? defaults.hidden,
                intermediate: arguments[intermediate] ?? defaults.intermediate,
                experts: arguments[experts] ?? defaults.experts, topK: arguments[topK] ?? defaults.topK,
                ranks: ranks ?? arguments[Self.ranks] ?? defaults.ranks, maxTokens: max(1, tokens),
                sharedExperts: sharedExperts)
        } catch {
            throw usageError(error, arguments)
        }
    }

    /// The ranks that were asked for; without the option as many as there are processes, or the default.
    static func ranks(_ arguments: Arguments, _ defaults: Defaults, processes: Int) throws(UsageError) -> Int {
        guard let given = arguments[ranks] else { return processes > 1 ? processes : defaults.ranks }
        guard given % processes == 0 else {
            throw .invalidValue(
                option: "--ranks", value: "\(given)", expected: "a multiple of the \(processes) processes")
        }
        return given
    }

    /// A size that is not possible, as an error of the option that gives it.
    private static func usageError(_ error: ShapeError, _ arguments: Arguments) -> UsageError {
        guard let option = options[error.name] else { return .conflict("\(error)") }
        var named = error
        named.name = "--" + option.name
        // Where only its limit was given: a number of ranks that does not divide the usual experts, say.
        return .conflict("\(named)" + (arguments[option] == nil ? "; \(error.value) is its default here" : ""))
    }

    /// The options by the names that `ShapeError` has for sizes.
    private static let options = [
        "hidden": hidden, "intermediate": intermediate, "experts": experts, "topK": topK, "ranks": ranks,
    ]

    /// A DeepSeek-V3 model of these sizes, with one shared expert, and expert groups where they divide the experts.
    static func modelConfiguration(_ shape: LayerShape) -> ModelConfiguration {
        let (groups, kept) = (8, 4)
        let size = shape.experts / groups
        let grouped = shape.experts % groups == 0 && size >= 2 && shape.topK <= size * kept
        return ModelConfiguration(
            hidden: shape.hidden, intermediate: shape.intermediate, experts: shape.experts, topK: shape.topK,
            groups: grouped ? groups : 1, groupsKept: grouped ? kept : 1)
    }
}
