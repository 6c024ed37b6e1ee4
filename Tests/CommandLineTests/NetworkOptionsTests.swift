import Testing

/// How `run`, `bench` and `explore` are told what the network between ranks is.
@Suite struct NetworkOptionsTests {
    private static let sizes = [
        "--hidden", "128", "--intermediate", "128", "--experts", "6", "--topk", "2", "--ranks", "3", "--tokens", "2",
    ]
    private static let run = ["run", "--device", "simulator", "--json"] + sizes

    /// Two of three ranks are of one node.
    @Test(
        arguments: [
            (["loopback"], "loopback between nodes of 2"),
            (["network"], "engine between nodes of 2"),
            (["network", "--network-order", "connected", "--queue-depth", "99"], "engine between nodes of 2"),
        ])
    func nodesOfSeveralRanks(_ transport: [String], _ network: String) throws {
        let result = try Program.run(Self.run + ["--ranks-per-node", "2", "--transport"] + transport)
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains("\"network\" : \"\(network)\""), "\(result.output)")
        #expect(result.output.contains("\"identical\" : true"), "\(result.output)")
    }

    @Test(
        arguments: [
            (["--ranks-per-node", "2"], "--ranks-per-node is of a network; choose one with --transport"),
            (["--queue-depth", "9", "--transport", "loadStore"], "--queue-depth is of a network"),
            (["--network-order", "connected", "--transport", "loopback"], "--network-order is of an engine"),
            (["--network-link", "50GB/s,5us,0.2us"], "--network-link is of a network; choose one with --transport"),
            (
                ["--transport", "network", "--network-link", "50GB/s,5us,0.2us"],
                "an engine takes a time of its own; use --transport loopback"
            ),
            (["--transport", "loopback", "--link", "50GB/s,5us"], "models a network is --network-link"),
            (["--transport", "loopback", "--network-link", "50GB/s,5us"], "it takes a rate from 0.1GB/s"),
            (["--transport", "loopback", "--network-link", "50,5us,0.2us"], "it takes a rate from 0.1GB/s"),
            (["--transport", "loopback", "--network-link", "50GB/s,5us,1001ms"], "in ns, us, ms or s up to 1s"),
            (["--transport", "loopback", "--network-link", "50GB/s,20s,0.2us"], "in ns, us, ms or s up to 1s"),
            (["--network-order", "sorted"], "--network-order is 'sorted'; it takes unordered or connected"),
            (["--transport", "loopback", "--ranks-per-node", "4"], "nodes of 4 ranks in a group of 3; choose 1 to 3"),
        ])
    func whatDoesNotGoTogether(_ options: [String], _ message: String) throws {
        for command in [
            Self.run, ["bench", "dispatch-combine", "--device", "simulator", "--ranks", "3", "--experts", "6"],
        ] {
            let result = try Program.run(command + options)
            #expect(result.code == 64, "\(command) \(options): \(result.output)")
            #expect(result.errors.contains(message), "\(result.errors)")
        }
    }

    /// Every row would come too late.
    @Test(arguments: ["50GB/s,30ms,1us", "50GB/s,1us,30ms", "50GB/s,1us,10ms"])
    func refusesCardsSlowerThanWaitsLast(_ link: String) throws {
        let result = try Program.run(Self.run + ["--transport", "loopback", "--network-link", link])
        #expect(result.code == 64, "\(result.output)")
        #expect(result.errors.hasPrefix("swiftep: error: --network-link is 50.0 GB/s, "), "\(result.errors)")
        #expect(result.errors.contains("a longer --wait-limit"), "\(result.errors)")
    }

    /// Rows come late and have the same bits.
    @Test func modelledCards() throws {
        let options = ["--transport", "loopback", "--ranks-per-node", "2", "--network-link", "50GB/s,5us,0.2us"]
        let result = try Program.run(Self.run + options)
        #expect(result.code == 0, "\(result.errors)")
        let name = "loopback between nodes of 2 with cards of 50.0 GB/s, 5.0 µs, 0.2 µs a message"
        #expect(result.output.contains("\"network\" : \"\(name)\""), "\(result.output)")
        #expect(result.output.contains("\"identical\" : true"), "\(result.output)")
    }

    /// Before anything is made.
    @Test func shallowQueues() throws {
        let result = try Program.run(Self.run + ["--transport", "network", "--queue-depth", "20"])
        #expect(result.code == 64, "\(result.output)")
        #expect(result.errors.contains("the network's queues hold 20 operations"), "\(result.errors)")
    }

    @Test func schedulesOfANetwork() throws {
        let options = ["--transport", "network", "--ranks-per-node", "2", "--network-order", "connected"]
        let explore = ["explore"] + Self.sizes + options + ["--shared-experts", "0", "--overlap", "none"]
        let name = try Program.run(explore + ["--list"]).output
        #expect(name.hasSuffix("shared=0 sms=2 network=engine between nodes of 2, connected\n"), "\(name)")
        let result = try Program.run(explore + ["--schedules", "6"])
        #expect(result.code == 0, "\(result.errors)\(result.output)")
        #expect(result.output.contains("6 distinct interleavings; nothing found"), "\(result.output)")
    }
}
