import KernelLanguage

extension Decoder {
    mutating func decode(_ operation: NetworkOperation) {
        let route = operation.route
        let way = [place(route.peer, .uint32), place(route.channel, .uint32)]
        func base(_ address: Address) -> Int32 { place(address.base, .uint64) }
        switch operation {
        case .put(_, let target, let source, let bytes, let signal):
            let word = signal.map { [base($0.word), place($0.value, .uint64)] } ?? []
            emit(
                NetworkHandlers.put, x: list(way + [base(target), base(source), place(bytes, .uint32)] + word),
                y: list([target.offset, source.offset, signal?.word.offset ?? 0]),
                z: signal.map { $0.action == .add ? 1 : 2 } ?? 0)
        case .add(_, let word, let value):
            emit(
                NetworkHandlers.changeWord, x: list(way + [base(word), place(value, .uint64)]), y: list([word.offset]),
                z: 1)
        case .putWord(_, let target, let value):
            emit(
                NetworkHandlers.changeWord, x: list(way + [base(target), place(value, .uint64)]),
                y: list([target.offset]), z: 2)
        case .flush(let result, _):
            emit(NetworkHandlers.flush, d: place(result), x: list(way))
        }
    }
}

/// Handlers that start and wait for network operations. Lists start with peer and channel. `z` says what happens to a
/// word: 1 for an add, 2 if it is set, 0 for nothing.
enum NetworkHandlers {
    /// Lists: target, source, bytes, and where there is a signal its word and value. Numbers: offsets of target,
    /// source, word.
    static let put: StepHandler = { w, s in
        ask(core(w), step(s)) { core, step, list, lane throws(InvalidUse) in
            let numbers = core.pointee.warp.program.numbers
            let target = core.globalAddress(list[2], numbers[step.pointee.y], lane)
            let source = core.globalAddress(list[3], numbers[step.pointee.y + 1], lane)
            let bytes = Int(core.lanes(list[4], as: UInt32.self)[lane])
            guard bytes > 0, bytes % 16 == 0, source % 16 == 0, target % 16 == 0 else {
                throw InvalidUse(
                    "put of \(bytes) bytes from 0x\(String(source, radix: 16)) to 0x\(String(target, radix: 16)); size and "
                        + "addresses must be multiples of 16, the size not zero")
            }
            let payload = NetworkTransfer.Payload(source: source, target: target, bytes: bytes)
            let word =
                step.pointee.z == 0
                ? nil : try change(core, step, list + 5, offset: numbers[step.pointee.y + 2], lane)
            return (payload, word)
        }
    }

    /// Lists: word and value. Numbers: offset of the word.
    static let changeWord: StepHandler = { w, s in
        ask(core(w), step(s)) { core, step, list, lane throws(InvalidUse) in
            let offset = core.pointee.warp.program.numbers[step.pointee.y]
            return (nil, try change(core, step, list + 2, offset: offset, lane))
        }
    }

    /// Whether sources have been read. Suspends the warp until they have, for all lanes, or for the time limit.
    static let flush: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let list = warp.list(step.pointee.x)
        if warp.flushing == nil { warp.flushing = warp.machine.network.lastNumber }
        let last = warp.flushing ?? 0
        var read: UInt32 = 0
        var missing: NetworkLane?
        let outcome = core.forEachLane(
            { lane throws(InvalidUse) in
                let way = try way(core, list, lane)
                if warp.machine.network.hasRead(way, upTo: last) {
                    read |= 1 << UInt32(lane)
                } else if missing == nil {
                    missing = way
                }
            }, failingAt: step)
        guard outcome == StepOutcome.proceed else { return outcome }
        // Like a try-wait on an mbarrier it may give up at any time.
        let givesUp = warp.waitLimitPassed || (!warp.hasWaitLimit && warp.machine.givesUp())
        if let missing, !givesUp {
            core.retry()
            warp.machine.suspend(warp, .networkFlush(missing))
            warp.machine.network.wait(warp)
            return StepOutcome.blocked
        }
        warp.endTryWait()
        warp.flushing = nil
        core.setBits(step.pointee.d, read)
        if let judge = warp.machine.judge {
            for lane in 0..<32 where read >> UInt32(lane) & 1 != 0 {
                if let way = try? way(core, list, lane) { judge.flushed(way, warp, lane) }
            }
        }
        return StepOutcome.proceed
    }

    /// Starts the transfer that `operation` gives for each active lane. Lanes whose queue is full wait for room, and
    /// the lanes behind them with them.
    private static func ask(
        _ core: UnsafeMutablePointer<WarpCore>, _ step: UnsafePointer<Step>,
        _ operation: (
            UnsafeMutablePointer<WarpCore>, UnsafePointer<Step>, UnsafePointer<Int32>, Int
        ) throws(InvalidUse) -> (NetworkTransfer.Payload?, NetworkTransfer.WordChange?)
    ) -> Int32 {
        let warp = core.pointee.warp
        let machine = warp.machine
        let list = warp.list(step.pointee.x)
        var remaining = core.pointee.mask & ~warp.asked
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            do throws(InvalidUse) {
                let way = try way(core, list, lane)
                guard machine.network.count(way) < max(machine.configuration.network.queueDepth, 1) else {
                    core.retry()
                    machine.suspend(warp, .networkQueue(way))
                    machine.network.wait(warp)
                    return StepOutcome.blocked
                }
                let (payload, word) = try operation(core, step, list, lane)
                let transfer = NetworkTransfer(
                    number: machine.network.nextNumber(), lane: way, payload: payload, word: word,
                    place: warp.place(of: warp.index(of: step), lane: lane),
                    pieces: payload.map { machine.pieces(of: $0.bytes) } ?? 0)
                guard isInside(transfer, machine) else { return StepOutcome.failed }
                machine.judge?.issue(transfer, by: warp, lane: lane, step: warp.index(of: step))
                machine.start(transfer)
            } catch {
                return core.fail(step, lane: lane, error.problem)
            }
            warp.asked |= 1 << UInt32(lane)
        }
        warp.asked = 0
        return StepOutcome.proceed
    }

    /// Whether all that a transfer touches is memory; the failure is set otherwise.
    private static func isInside(_ transfer: NetworkTransfer, _ machine: SimulatedMachine) -> Bool {
        let ranges =
            (transfer.payload.map { [($0.source, $0.bytes), ($0.target, $0.bytes)] } ?? [])
            + (transfer.word.map { [($0.address, 8)] } ?? [])
        for (address, bytes) in ranges where machine.memory.find(address, count: bytes) == nil {
            machine.fail(outOfBounds: .global, address, bytes, transfer.place)
            return false
        }
        return true
    }

    private static func way(
        _ core: UnsafeMutablePointer<WarpCore>, _ list: UnsafePointer<Int32>, _ lane: Int
    ) throws(InvalidUse) -> NetworkLane {
        let run = core.pointee.warp.block.run
        let peer = Int(core.lanes(list[0], as: UInt32.self)[lane])
        let channel = Int(core.lanes(list[1], as: UInt32.self)[lane])
        let channels = min(run.machine.configuration.network.channels, NetworkOperation.maximumChannels)
        guard channel < channels else {
            throw InvalidUse(
                "channel \(channel); the network has channels 0 to \(channels - 1), as SimulatorConfiguration.network says"
            )
        }
        return NetworkLane(rank: run.stream.rank, peer: peer, channel: channel)
    }

    /// The change of a word that `z` stands for; lists: word and value.
    private static func change(
        _ core: UnsafeMutablePointer<WarpCore>, _ step: UnsafePointer<Step>, _ list: UnsafePointer<Int32>, offset: Int,
        _ lane: Int
    ) throws(InvalidUse) -> NetworkTransfer.WordChange {
        let address = core.globalAddress(list[0], offset, lane)
        guard address % 8 == 0 else {
            throw InvalidUse("network word at 0x\(String(address, radix: 16)), which is no multiple of 8")
        }
        let value = core.lanes(list[1], as: UInt64.self)[lane]
        return NetworkTransfer.WordChange(address: address, value: value, isAdd: step.pointee.z == 1)
    }
}
