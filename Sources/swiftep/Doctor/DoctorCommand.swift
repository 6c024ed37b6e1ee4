/// `swiftep doctor`
enum DoctorCommand {
    static let command = Command(
        name: "doctor",
        summary: "Says what works on this machine, and how to get the rest.",
        discussion: [
            "Looks at the Swift runtime, the NVIDIA driver, the GPUs and what they have of each other, sharing of a GPU "
                + "by processes (MPS), NVSHMEM and ptxas, and runs a kernel on the simulator and on each GPU that can "
                + "run it. The exit code is 0 if the simulator works, and what is here of GPUs does."
        ],
        options: [CommonOptions.json],
        run: { arguments in
            let findings = SystemSurvey.findings
            if arguments[CommonOptions.json] {
                try Console.json(findings)
            } else {
                try Console.result(text(findings))
            }
            return findings.contains { $0.verdict == .unusable } ? 1 : 0
        })

    /// The findings as text.
    static func text(_ findings: [Finding]) -> String {
        let width = findings.map(\.name.count).max() ?? 0
        let margin = String(repeating: " ", count: width + 12)
        return findings.map { finding in
            let verdict = finding.verdict.rawValue
            let head =
                finding.name + String(repeating: " ", count: width - finding.name.count + 2)
                + verdict + String(repeating: " ", count: 10 - verdict.count)
            let lines = [finding.text] + (finding.remedy.map { [$0] } ?? [])
            return head + lines.joined(separator: "\n" + margin)
        }.joined(separator: "\n")
    }
}
