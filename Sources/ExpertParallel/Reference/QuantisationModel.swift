import KernelLanguage

/// Which roundings the reference makes.
package enum QuantisationModel: String, Hashable, Sendable {
    /// None: FP64 throughout, from the BF16 hidden states and the FP8 weights as they are.
    case none
    /// Where the kernels round, and only there: tokens to FP8 before the first projections, their outputs to BF16,
    /// SwiGLU's result to FP8, the down projection's output and the combined sum to BF16.
    case asKernels
}

/// Names a row of an expert's input: one token that was sent to it.
package struct ReferenceRow: Hashable, Sendable, CustomStringConvertible {
    /// The expert, or nil for the shared one.
    package var expert: Int?
    /// The rank that the token comes from.
    package var rank: Int
    /// Index of the token on that rank.
    package var token: Int
    /// Which part of a shared expert that is larger than a routed one.
    package var sharedPart: Int

    /// The row of this token.
    package init(expert: Int?, rank: Int, token: Int, sharedPart: Int = 0) {
        self.expert = expert
        self.rank = rank
        self.token = token
        self.sharedPart = sharedPart
    }

    /// For messages.
    package var description: String {
        "rank \(rank), token \(token), " + (expert.map { "expert \($0)" } ?? "shared expert")
    }
}

/// Quantised values that kernels produced, for the reference to check and to go on from.
///
/// A tensor core's FP32 sum and the reference's FP64 sum differ by about 1e-4. Where a value lies near the boundary
/// between two FP8 codes, either may be correct, and they are 6 to 12 % apart. So the reference does not compare codes:
/// it requires that each is a correct rounding of its own value, within a slack, and then adopts it.
package struct ObservedQuantisation {
    /// The quantised token as an expert received it; nil to use the reference's own.
    package var input: ((ReferenceRow) throws -> QuantisedRow?)?
    /// SwiGLU's quantised result; nil to use the reference's own.
    package var activation: ((ReferenceRow) throws -> QuantisedRow?)?
    /// The down projection's output in BF16; nil to use the reference's own.
    package var output: ((ReferenceRow) throws -> [BFloat16]?)?
    /// How far beyond half a step a value may be from its code, in units of the distance between codes.
    package var slack: Double
    /// How far the largest magnitude that a scale is made of may be from the reference's own, as a fraction.
    package var scaleTolerance: Double
    /// How far the sums of the projections may be from exact ones, as a fraction of the root mean square of the
    /// row. Sums that near to the boundary between two BF16 numbers may be rounded to either.
    package var accumulationError: Double

    /// Observations with the usual tolerances: a tenth of a step, 1 % and 2^-8.
    package init(
        input: ((ReferenceRow) throws -> QuantisedRow?)? = nil,
        activation: ((ReferenceRow) throws -> QuantisedRow?)? = nil,
        output: ((ReferenceRow) throws -> [BFloat16]?)? = nil,
        slack: Double = 0.1, scaleTolerance: Double = 0.01, accumulationError: Double = 0x1p-8
    ) {
        self.input = input
        self.activation = activation
        self.output = output
        self.slack = slack
        self.scaleTolerance = scaleTolerance
        self.accumulationError = accumulationError
    }
}
