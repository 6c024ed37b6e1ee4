/// The processes at a rendezvous, their contributions, and those that have gone.
struct RendezvousMembers {
    private struct Member {
        let connection: Connection
        /// The number of the process, once it has introduced itself.
        var process: Int?
        /// When a client that has not introduced itself is dropped.
        let patience = Deadline(seconds: 10)
    }

    let processes: Int
    private let secret: RendezvousSecret
    private var members: [Member] = []
    private struct Collective {
        /// The contributions so far, by process.
        var parts: [Int: [UInt8]] = [:]
        /// The process that it readmits, if any.
        var returning: Int?
    }

    /// Collectives that are not complete, by name.
    private var collectives: [String: Collective] = [:]
    /// Processes that have come again after they were lost, until all others readmit them.
    private var returned: Set<Int> = []
    private(set) var lost: [Int: String] = [:]
    private(set) var failures: [ProcessFailure] = []
    /// Processes that others have given up.
    private(set) var givenUp: Set<Int> = []
    /// Processes that have ended and said so: no collective waits for them.
    private var departed: Set<Int> = []
    /// The number of times that each process has joined: more than 1 if it was lost and started again.
    private var visits: [Int]

    init(processes: Int, secret: RendezvousSecret) {
        self.processes = processes
        self.secret = secret
        visits = [Int](repeating: 0, count: processes)
    }

    var connections: [Connection] { members.map(\.connection) }

    /// Adds a connection of a client that has yet to introduce itself.
    mutating func add(_ socket: Socket) {
        members.append(Member(connection: Connection(socket, limit: Message.strangersLimit)))
    }

    /// Reads, answers and writes without waiting.
    mutating func serve() {
        for index in members.indices {
            for message in members[index].connection.read() { receive(message, from: index) }
            members[index].connection.write()
        }
        for member in members where member.connection.hasEnded {
            guard let process = member.process, !departed.contains(process) else { continue }
            lose(process, reason: "its connection has ended", keepingReason: true)
        }
        members.removeAll { $0.connection.hasEnded || ($0.process == nil && $0.patience.isOver) }
    }

    /// Handles the last messages of a process that may have ended since.
    mutating func read(from process: Int) {
        for index in members.indices where members[index].process == process {
            for message in members[index].connection.read() { receive(message, from: index) }
        }
    }

    /// Notes that a process has gone, and tells the others.
    mutating func lose(_ process: Int, reason: String, keepingReason: Bool = false) {
        if keepingReason, lost[process] != nil { return }
        lost[process] = reason
        // The process itself as well, which may only have been too slow.
        tellAll(Message(kind: .lost, number: process, name: reason))
        for index in members.indices where members[index].process == process { members[index].process = nil }
        returned.remove(process)
        for name in Array(collectives.keys) { complete(name) }
    }

    private func tellAll(_ message: Message) {
        for member in members where member.process != nil { member.connection.send(message) }
    }

    private mutating func receive(_ message: Message, from index: Int) {
        let connection = members[index].connection
        guard let process = members[index].process else { return greet(message, index) }
        switch message.kind {
        case .contribution:
            collectives[message.name, default: Collective()].parts[process] = message.body
            if message.number > 0 { collectives[message.name]?.returning = message.number - 1 }
            complete(message.name)
        case .missing:
            let collective = collectives[message.name] ?? Collective()
            let missing = awaited(in: collective).filter { collective.parts[$0] == nil }
            connection.send(
                Message(
                    kind: .missing, name: message.name,
                    body: Array(missing.map(String.init).joined(separator: ",").utf8)
                ))
        case .lost:
            givenUp.insert(message.number)
            lose(message.number, reason: message.name, keepingReason: true)
        case .failure:
            guard let failure = ProcessFailure(encoded: message.body) else { return }
            failures.append(failure)
            lose(process, reason: "it ended with an error: \(failure.text)", keepingReason: true)
        case .goodbye:
            departed.insert(process)
            for name in Array(collectives.keys) { complete(name) }
        case .hello, .welcome, .refusal, .result: break
        }
    }

    /// Admits a process that has the secret and is expected.
    private mutating func greet(_ message: Message, _ index: Int) {
        let connection = members[index].connection
        // Clients without the secret get no answer.
        guard message.kind == .hello, secret.matches(message.name) else {
            members[index].process = nil
            return connection.end()
        }
        let process = message.number
        func refuse(_ reason: String) {
            connection.send(Message(kind: .refusal, name: reason))
        }
        guard let greeting = Greeting(encoded: message.body), greeting.version == Greeting.version else {
            return refuse("it is of another version of SwiftEP; use the same program on all ranks")
        }
        guard greeting.processes == processes, (0..<processes).contains(process) else {
            return refuse(
                "it is process \(process) of \(greeting.processes), and the group has \(processes); start all of them "
                    + "with the same number")
        }
        guard !members.contains(where: { $0.process == process }), !departed.contains(process) else {
            return refuse("process \(process) has come already; give each process a number of its own")
        }
        members[index].process = process
        connection.limit = Message.limit
        visits[process] += 1
        if lost.removeValue(forKey: process) != nil {
            returned.insert(process)
            for name in Array(collectives.keys) { collectives[name]?.parts[process] = nil }
        }
        for other in lost { connection.send(Message(kind: .lost, number: other.key, name: other.value)) }
        tellAll(Message(kind: .welcome, number: process, body: Array("\(visits[process])".utf8)))
    }

    /// The processes that a collective waits for.
    private func awaited(in collective: Collective) -> [Int] {
        (0..<processes).filter {
            lost[$0] == nil && !departed.contains($0) && (!returned.contains($0) || collective.returning == $0)
        }
    }

    /// Sends all contributions to all processes, when the last one has come.
    private mutating func complete(_ name: String) {
        guard let collective = collectives[name],
            awaited(in: collective).allSatisfy({ collective.parts[$0] != nil })
        else { return }
        collectives[name] = nil
        if let process = collective.returning { returned.remove(process) }
        let body = Message.joined((0..<processes).map { collective.parts[$0] })
        for member in members where member.process.map({ collective.parts[$0] != nil }) ?? false {
            member.connection.send(Message(kind: .result, name: name, body: body))
        }
    }
}
