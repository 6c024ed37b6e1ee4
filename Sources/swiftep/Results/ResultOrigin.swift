import Accelerator

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The origin of a result: date, commit, card, driver and command.
struct ResultOrigin: Encodable {
    /// Version of the lines' format; it changes when a field changes its meaning or is removed.
    private(set) var schema = 1
    /// Date and time in UTC, in ISO 8601.
    let date: String
    /// The commit that was built; nil if unknown.
    let commit: String?
    /// Name of the GPU, or of the simulator.
    let card: String
    let multiprocessors: Int
    /// Release of the driver and its CUDA version; nil on the simulator.
    let driver: String?
    /// The command line, without the options for files of results.
    let command: String
    /// Name of the benchmark.
    let bench: String
    /// The project that was measured; other projects have their names here.
    let source: String
    /// Whether times are simulated, and say nothing about a GPU.
    let simulated: Bool

    /// The origin of a measurement that ends now.
    init(_ device: any Device, bench: String, commit: String?, words: [String]) {
        date = Date.now.formatted(.iso8601)
        self.commit = commit ?? Self.knownCommit()
        card = device.properties.name
        multiprocessors = device.properties.multiprocessors
        driver = (device as? CUDADevice).map { Self.driver($0) }
        command = (["swiftep"] + Self.measuring(words)).joined(separator: " ")
        self.bench = bench
        source = "swiftep"
        simulated = device.properties.kind == .simulator
    }

    /// The environment's variable that names the commit that was built.
    static let commitVariable = "SWIFTEP_COMMIT"

    /// The commit by the environment, or by git in the working directory, if that is there.
    private static func knownCommit() -> String? {
        if let given = ProcessInfo.processInfo.environment[commitVariable], !given.isEmpty { return given }
        guard let pipe = popen("git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null", "r") else {
            return nil
        }
        var line = [CChar](repeating: 0, count: 128)
        let read = fgets(&line, Int32(line.count), pipe) != nil
        guard pclose(pipe) == 0, read else { return nil }
        return String(decoding: line.prefix { $0 > 32 }.map { UInt8($0) }, as: UTF8.self)
    }

    /// The kernel's driver says its release in a file.
    private static func driver(_ device: CUDADevice) -> String {
        let cuda = "CUDA \(device.driverVersion)"
        guard let text = try? String(contentsOfFile: "/proc/driver/nvidia/version", encoding: .utf8) else {
            return cuda
        }
        let release = text.split(whereSeparator: \.isWhitespace).first { word in
            word.contains(".") && word.allSatisfy { $0.isNumber || $0 == "." }
        }
        return release.map { "\($0), \(cuda)" } ?? cuda
    }

    /// The words of a command line without the options for files of results.
    private static func measuring(_ words: [String]) -> [String] {
        let options = [ResultOptions.results.name, ResultOptions.commit.name].map { "--" + $0 }
        var rest = words[...]
        var kept: [String] = []
        while let word = rest.popFirst() {
            if options.contains(word) {
                rest = rest.dropFirst()
            } else if !options.contains(where: { word.hasPrefix($0 + "=") }) {
                kept.append(word)
            }
        }
        return kept
    }
}
