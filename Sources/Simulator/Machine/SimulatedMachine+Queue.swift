import KernelLanguage

/// Streams and events: what the host queues.
extension SimulatedMachine {
    /// A new stream. Work of different streams runs at the same time.
    ///
    /// - Parameters:
    ///   - label: A name for diagnostics.
    ///   - rank: The rank whose work it runs. To a judge, each rank is a GPU of its own.
    public func makeStream(label: String, rank: Int = 0) -> StreamID {
        handles += 1
        let id = StreamID(number: handles)
        let stream = StreamState(id, label: label, rank: rank)
        stream.halted = halts.ranks[rank]
        streams.append(stream)
        return id
    }

    /// A new event, not recorded.
    public func makeEvent() -> EventID {
        handles += 1
        let id = EventID(number: handles)
        recordings[id] = .some(nil)
        return id
    }

    /// Forgets a stream, which must be idle: what is queued in it would not run. Others that were made stay as they
    /// are.
    public func free(_ stream: StreamID) {
        if let index = streams.index(of: stream) { streams.remove(at: index) }
    }

    /// Forgets an event. Streams that wait for it already go on doing so.
    public func free(_ event: EventID) { recordings[event] = nil }

    /// Queues a kernel.
    ///
    /// - Parameters:
    ///   - program: The kernel.
    ///   - grid: Number of blocks: at least 1 and a multiple of the kernel's cluster size.
    ///   - arguments: One for each parameter, of the parameter's kind.
    ///   - dependentLaunch: Start as soon as all blocks of the kernel before it have let dependent kernels start or
    ///     have ended, if only recordings of events stand between the two in the stream. Otherwise the kernel starts
    ///     when everything before it is complete.
    ///   - label: A name for diagnostics.
    ///   - stream: Where to queue it.
    /// - Throws: `invalidLaunch` if grid, arguments or resources do not fit, `stopped` after an error.
    public func enqueueLaunch(
        _ program: Program, grid: Int, arguments: [KernelArgument], dependentLaunch: Bool = false, label: String = "",
        on stream: StreamID
    ) throws(SimulationError) {
        try requireWorking()
        let state = try find(stream)
        let kernel = program.kernel
        guard grid > 0, grid <= Int(Int32.max), grid % kernel.clusterSize == 0 else {
            throw .invalidLaunch(
                kernel: kernel.name,
                problem:
                    "a grid of \(grid) blocks; 1 to \(Int32.max) are possible, in multiples of \(kernel.clusterSize)")
        }
        guard kernel.sharedBytes + Multiprocessor.reservedSharedBytes <= configuration.sharedBytesPerMultiprocessor,
            kernel.threads <= configuration.threadsPerMultiprocessor
        else {
            throw .invalidLaunch(
                kernel: kernel.name,
                problem:
                    "a block of \(kernel.threads) threads and \(kernel.sharedBytes) bytes of shared memory fits no "
                    + "multiprocessor; there are \(configuration.threadsPerMultiprocessor) threads and "
                    + "\(configuration.sharedBytesPerMultiprocessor - Multiprocessor.reservedSharedBytes) bytes")
        }
        let bits = try Self.bits(of: arguments, for: kernel)
        let run = KernelRun(
            machine: self, program: program.storage, grid: grid, label: label.isEmpty ? kernel.name : label,
            stream: state, bits: bits,
            tensorMaps: arguments.map { if case .tensorMap(let map) = $0 { map } else { nil } },
            number: launches)
        launches += 1
        if let judge { state.append(.hostKnowledge(judge.host)) }
        state.append(.launch(run, dependent: dependentLaunch))
        streamsChanged = true
    }

    /// Queues work of the host, such as a copy. An error that it throws stops the machine.
    public func enqueueHostWork(on stream: StreamID, _ body: @escaping () throws -> Void) {
        append(.hostWork(body), to: stream)
    }

    /// Queues the recording of an event: it happens when all work before it in the stream is complete.
    public func enqueueRecord(_ event: EventID, on stream: StreamID) {
        guard recordings.keys.contains(event) else { return failForUnknownEvent() }
        let record = EventRecord()
        recordings[event] = record
        append(.record(record), to: stream)
    }

    /// Lets the stream wait for the latest recording of the event that was queued before this call; if there is none,
    /// it does not wait.
    public func enqueueWait(_ event: EventID, on stream: StreamID) {
        guard let latest = recordings[event] else { return failForUnknownEvent() }
        if let record = latest { append(.wait(record), to: stream) }
    }

    /// Whether all that was queued in the stream so far is complete.
    public func isIdle(_ stream: StreamID) -> Bool {
        streams.index(of: stream).map { streams[$0].isEmpty } ?? true
    }

    private func append(_ item: StreamState.Item, to stream: StreamID) {
        guard let index = streams.index(of: stream) else {
            return fail(.invalidArgument("a stream that this machine did not make"))
        }
        if let judge { streams[index].append(.hostKnowledge(judge.host)) }
        streams[index].append(item)
        streamsChanged = true
    }

    private func failForUnknownEvent() { fail(.invalidArgument("an event that this machine did not make")) }

    func requireWorking() throws(SimulationError) {
        if judge != nil, followsHost {
            throw .invalidArgument(
                "a schedule decides what happens when, which the host's clock does too; take the simulated clock with "
                    + "schedules")
        }
        if let failure { throw .stopped(reason: failure.description) }
    }

    func find(_ stream: StreamID) throws(SimulationError) -> StreamState {
        guard let index = streams.index(of: stream) else {
            throw .invalidArgument("a stream that this machine did not make")
        }
        return streams[index]
    }
}

extension [StreamState] {
    /// The index of a stream; their numbers ascend.
    fileprivate func index(of stream: StreamID) -> Int? {
        var range = indices
        while !range.isEmpty {
            let middle = (range.lowerBound + range.upperBound) / 2
            if self[middle].id == stream { return middle }
            if self[middle].id.number < stream.number {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return nil
    }
}
