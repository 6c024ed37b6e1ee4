import TestSupport
import Testing

/// Help is generated from the commands; what it says is kept in golden files.
@Suite struct HelpTests {
    @Test(
        arguments: [
            [], ["run"], ["verify"], ["explore"], ["mutate"], ["litmus"], ["ptx"],
            ["checkpoint"], ["checkpoint", "make"], ["checkpoint", "inspect"],
            ["bench"],
            ["bench", "ceiling"], ["bench", "gemm"], ["bench", "dispatch"], ["bench", "combine"],
            ["bench", "dispatch-combine"], ["bench", "layer"], ["doctor"], ["completion"],
        ])
    func text(of command: [String]) throws {
        let result = try Program.run(command + ["--help"])
        #expect(result.code == 0)
        #expect(result.errors == "")
        expectGolden(result.output, named: (["swiftep"] + command).joined(separator: "-") + ".txt")
    }

    @Test func helpOfCommandsWithoutOptions() throws {
        let root = try Program.run(["--help"])
        for words in [[], ["help"], ["-h"]] {
            #expect(try Program.run(words).output == root.output)
        }
        #expect(try Program.run(["help", "run"]).output == Program.run(["run", "-h"]).output)
        #expect(try Program.run(["checkpoint"]).output == Program.run(["checkpoint", "--help"]).output)
    }

    @Test func version() throws {
        let result = try Program.run(["--version"])
        #expect(result.code == 0)
        #expect(result.output.hasPrefix("swiftep "))
        #expect(result.output.dropFirst("swiftep ".count).first?.isNumber == true)
    }

    @Test func linesFitTheTerminal() throws {
        for words in [["--help-all"], ["--help"]] {
            for line in try Program.run(words).output.split(separator: "\n") {
                #expect(line.count <= 100, "\(line)")
            }
        }
    }
}
