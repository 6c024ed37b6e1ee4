import CUDADriver
import Testing

@Suite struct LaunchConfigurationTests {
    private func check(
        grid: LaunchDimensions = LaunchDimensions(1), block: LaunchDimensions = LaunchDimensions(32),
        shared: Int = 0, cluster: LaunchDimensions? = nil, maxThreads: Int = 1024
    ) throws {
        try LaunchConfiguration(grid: grid, block: block, dynamicSharedBytes: shared, cluster: cluster)
            .check(function: "kernel", maxThreadsPerBlock: maxThreads)
    }

    @Test("Configurations at the limits are accepted")
    func accepted() throws {
        try check()
        try check(grid: LaunchDimensions(2_147_483_647, 65535, 65535), block: LaunchDimensions(1024))
        try check(block: LaunchDimensions(4, 4, 64))
        try check(grid: LaunchDimensions(132), shared: 232_448, cluster: LaunchDimensions(2))
        try check(grid: LaunchDimensions(16, 2), cluster: LaunchDimensions(4, 2))
        try check(block: LaunchDimensions(384), maxThreads: 384)
    }

    @Test("Configurations beyond a limit are refused with a sentence that names the kernel and the value")
    func refused() {
        func refusal(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "accepted"
            } catch {
                return "\(error)"
            }
        }
        #expect(refusal { try check(grid: LaunchDimensions(0)) }.contains("its grid is 0×1×1"))
        #expect(refusal { try check(grid: LaunchDimensions(1, 65536)) }.contains("65535"))
        #expect(refusal { try check(grid: LaunchDimensions(Int.max, 1)) }.contains("its grid is"))
        #expect(refusal { try check(block: LaunchDimensions(0)) }.contains("its block is 0×1×1"))
        #expect(refusal { try check(block: LaunchDimensions(1, 1, 65)) }.contains("1024×1024×64"))
        #expect(refusal { try check(block: LaunchDimensions(512, 4)) }.contains("2048 threads"))
        #expect(refusal { try check(block: LaunchDimensions(512), maxThreads: 384) }.contains("allows 384"))
        #expect(refusal { try check(shared: -1) }.contains("-1 is no size"))
        #expect(refusal { try check(shared: Int.max) }.contains("is no size"))
        #expect(refusal { try check(grid: LaunchDimensions(16), cluster: LaunchDimensions(16)) }.contains("1 to 8"))
        #expect(refusal { try check(grid: LaunchDimensions(9), cluster: LaunchDimensions(2)) }.contains("divide"))
        #expect(refusal { try check(grid: LaunchDimensions(8), cluster: LaunchDimensions(0)) }.contains("1 to 8"))
        #expect(refusal { try check(shared: -1) }.contains("The kernel kernel"))
    }
}
