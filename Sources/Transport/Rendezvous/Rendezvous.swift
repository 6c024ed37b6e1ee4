import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A process's connection to the others of its group, through a `RendezvousServer`. It may be used from several
/// threads.
public final class Rendezvous: Sendable {
    /// The number of this process, from 0.
    public let process: Int
    /// The number of processes of the group.
    public let processes: Int
    /// How waits end when a process has gone.
    public let policy: LossPolicy
    /// The secret that the processes share.
    let secret: RendezvousSecret
    /// The server, where this process runs it.
    private let server: RendezvousServer?
    /// The socket of the connection, for polls.
    private let socket: Socket
    private let state: Mutex<State>

    /// The reaction of the others when a process goes.
    public enum LossPolicy: Sendable {
        /// They end, with an error that names it.
        case stop
        /// They go on without it.
        case goOn
    }

    private struct State {
        let connection: Connection
        var isIn = false
        var refusal: String?
        var lost: [Int: String] = [:]
        var visits: [Int]
        var results: [String: [UInt8]] = [:]
        var missing: [String: [Int]] = [:]
        /// The number of calls of each collective here in this epoch.
        var calls: [String: Int] = [:]
        /// Tells collectives from those before a process came back, which does not know how often they were called.
        var epoch = ""

        /// Handles the messages that have arrived.
        mutating func receive() {
            for message in connection.read() {
                switch message.kind {
                case .welcome:
                    isIn = true
                    lost[message.number] = nil
                    if visits.indices.contains(message.number) {
                        visits[message.number] = Int(String(decoding: message.body, as: UTF8.self)) ?? 0
                    }
                case .refusal: refusal = message.name
                case .result: results[message.name] = message.body
                case .missing:
                    let numbers = String(decoding: message.body, as: UTF8.self).split(separator: ",")
                    missing[message.name] = numbers.compactMap { Int($0) }
                case .lost: lost[message.number] = message.name
                case .hello, .contribution, .failure, .goodbye: break
                }
            }
            connection.write()
        }
    }

    /// Joins a rendezvous.
    ///
    /// - Parameters:
    ///   - process: The number of this process in the group, which no other has.
    ///   - processes: The number of processes.
    ///   - secret: The same in all processes; the server drops clients that have another.
    ///   - address: Where the server listens.
    ///   - policy: What happens when a process goes.
    ///   - seconds: How long to wait for the server.
    /// - Throws: `TransportError.unreachable` when there is no server in time, `.refused` when it does not let this
    ///   process in.
    public convenience init(
        process: Int, of processes: Int, secret: RendezvousSecret, at address: SocketAddress,
        policy: LossPolicy = .stop, within seconds: Double = 60
    ) throws(TransportError) {
        try self.init(process, of: processes, secret, at: address, policy: policy, server: nil, within: seconds)
    }

    /// Joins the rendezvous that a launcher names, and runs its server where the launcher does not.
    ///
    /// - Throws: As the other initialiser; `TransportError.listening`.
    public convenience init(
        _ bootstrap: Bootstrap, policy: LossPolicy = .stop, within seconds: Double = 60
    ) throws(TransportError) {
        let server =
            bootstrap.keepsServer
            ? try RendezvousServer(
                processes: bootstrap.processes, secret: bootstrap.secret, at: bootstrap.address) : nil
        try self.init(
            bootstrap.process, of: bootstrap.processes, bootstrap.secret, at: bootstrap.address, policy: policy,
            server: server, within: seconds)
    }

    private init(
        _ process: Int, of processes: Int, _ secret: RendezvousSecret, at address: SocketAddress, policy: LossPolicy,
        server: RendezvousServer?, within seconds: Double
    ) throws(TransportError) {
        (self.process, self.processes, self.policy) = (process, processes, policy)
        (self.secret, self.server) = (secret, server)
        let deadline = Deadline(seconds: seconds)
        socket = try Socket.connect(to: address, by: deadline)
        state = Mutex(
            State(connection: Connection(socket), visits: [Int](repeating: 0, count: max(processes, 0))))
        send(
            Message(
                kind: .hello, number: process, name: secret.text, body: Greeting(processes: processes).encoded))
        while true {
            let (isIn, refusal, hasEnded) = state.withLock { state in
                state.receive()
                return (state.isIn, state.refusal, state.connection.hasEnded)
            }
            if let refusal { throw .refused(address, reason: refusal) }
            if isIn { return }
            if hasEnded {
                throw .refused(
                    address, reason: "it closed the connection; give all processes the same secret")
            }
            guard !deadline.isOver else {
                throw .unreachable(address, reason: "no welcome within \(seconds) s")
            }
            _ = socket.wait(for: Int32(POLLIN), by: Deadline(seconds: 0.05))
        }
    }

    /// Contributes `bytes` and returns the contributions of all processes, by number: nil for one that has gone. All
    /// processes make the same calls.
    ///
    /// - Parameters:
    ///   - name: Name of the collective, for errors; calls of one name are matched by their order.
    ///   - bytes: This process's contribution.
    ///   - seconds: How long to wait for the others.
    /// - Throws: `TransportError.lostProcesses` when one has gone and the policy is `stop`, or the server has;
    ///   `.missingProcesses` when the time is over; the next call of this name then goes on with the same collective.
    public func gather(_ name: String, _ bytes: [UInt8] = [], within seconds: Double) throws(TransportError)
        -> [[UInt8]?]
    {
        let key = state.withLock { state in
            state.calls[name, default: 0] += 1
            return "\(state.epoch)\(name) \(state.calls[name] ?? 0)"
        }
        do throws(TransportError) {
            return try gather(exactly: key, bytes, saying: name, within: seconds)
        } catch {
            // The contribution stays, and the next call goes on with the same collective.
            if case .missingProcesses = error { state.withLock { $0.calls[name, default: 1] -= 1 } }
            throw error
        }
    }

    /// The same where no process may be missing, whatever the policy.
    ///
    /// - Throws: Also `TransportError.lostProcesses` when one has gone.
    package func everyone(_ name: String, _ bytes: [UInt8], within seconds: Double) throws(TransportError) -> [[UInt8]]
    {
        let parts = try gather(name, bytes, within: seconds)
        let gone = parts.indices.filter { parts[$0] == nil }
        guard gone.isEmpty else {
            let reasons = lost
            throw .lostProcesses(
                Dictionary(uniqueKeysWithValues: gone.map { ($0, reasons[$0] ?? "it has gone") }), what: name)
        }
        return parts.compactMap { $0 }
    }

    /// The same for the collective that readmits a process, which takes part in no others until then.
    package func gather(
        _ bytes: [UInt8], takingIn process: Int, within seconds: Double
    ) throws(TransportError) -> [[UInt8]?] {
        let key = "return \(process) \(visits(of: process))"
        let parts = try gather(exactly: key, bytes, saying: "a return", returning: process, within: seconds)
        // The readmitted process does not know how often others were called.
        state.withLock { state in
            state.epoch = key + ": "
            state.calls = [:]
        }
        return parts
    }

    private func gather(
        exactly key: String, _ bytes: [UInt8], saying name: String, returning process: Int? = nil,
        within seconds: Double
    ) throws(TransportError) -> [[UInt8]?] {
        let deadline = Deadline(seconds: seconds)
        // The collective may have completed since this process gave up waiting for it.
        if let parts = try result(of: key, saying: name) { return parts }
        send(Message(kind: .contribution, number: process.map { $0 + 1 } ?? 0, name: key, body: bytes))
        while true {
            if let parts = try result(of: key, saying: name) { return parts }
            if deadline.isOver { throw .missingProcesses(try missing(in: key), what: name, seconds: seconds) }
            wait()
        }
    }

    /// Returns when all processes that are left have called it as often as this one. Throws as `gather` does.
    public func barrier(_ name: String = "a barrier", within seconds: Double) throws(TransportError) {
        _ = try gather(name, within: seconds)
    }

    /// The processes that have gone, and why, as far as is known here.
    public var lost: [Int: String] {
        state.withLock { state in
            state.receive()
            return state.connection.hasEnded
                ? state.lost.merging([0: Self.serverIsGone]) { own, _ in own } : state.lost
        }
    }

    /// The number of times that a process has joined the group: 1 when it has never been lost.
    public func visits(of process: Int) -> Int {
        state.withLock { state in
            state.receive()
            return state.visits[process]
        }
    }

    /// Gives up a process, which takes part in no collective any more.
    public func giveUp(_ process: Int, reason: String) {
        send(Message(kind: .lost, number: process, name: reason))
    }

    /// Reports why this process ends, to its launcher and to the others.
    public func fail(_ text: String, waitedFor: Int? = nil) {
        leave(
            Message(
                kind: .failure,
                body: ProcessFailure(process: process, waitedFor: waitedFor, text: text).encoded))
    }

    /// Reports that this process ends without an error. It takes part in no collective any more.
    public func leave() { leave(Message(kind: .goodbye)) }

    private func leave(_ message: Message) {
        send(message)
        // The message must have left before the process exits.
        let deadline = Deadline(seconds: 5)
        while state.withLock({ $0.connection.wantsToWrite && !$0.connection.hasEnded }), !deadline.isOver { wait() }
    }

    private static let serverIsGone = "the rendezvous, which its process or the launcher keeps, has ended"

    private func send(_ message: Message) { state.withLock { $0.connection.send(message) } }

    /// Waits a moment for messages, or for room to write.
    private func wait() {
        let events = state.withLock { $0.connection.wantsToWrite } ? POLLIN | POLLOUT : POLLIN
        _ = socket.wait(for: Int32(events), by: Deadline(seconds: 0.05))
    }

    private func result(of key: String, saying name: String) throws(TransportError) -> [[UInt8]?]? {
        let (body, lost, hasEnded) = state.withLock { state in
            state.receive()
            return (state.results.removeValue(forKey: key), state.lost, state.connection.hasEnded)
        }
        if let body, let parts = Message.parts(body) {
            // No process is missing, or the policy goes on without it.
            if policy == .goOn || !parts.contains(where: { $0 == nil }) { return parts }
        }
        if let reason = lost[process] { throw .givenUp(process: process, reason: reason) }
        if policy == .stop, !lost.isEmpty { throw .lostProcesses(lost, what: name) }
        if hasEnded { throw .lostProcesses([0: Self.serverIsGone], what: name) }
        return nil
    }

    /// The processes that have not come to a collective, as the server knows.
    private func missing(in key: String) throws(TransportError) -> [Int] {
        send(Message(kind: .missing, name: key))
        let deadline = Deadline(seconds: 2)
        while !deadline.isOver {
            wait()
            let found = state.withLock { state in
                state.receive()
                return state.missing.removeValue(forKey: key)
            }
            if let found { return found }
        }
        return []
    }
}
