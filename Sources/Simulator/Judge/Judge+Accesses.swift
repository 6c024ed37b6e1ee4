import KernelLanguage

/// Who makes an access, as far as causality order depends on it.
enum Accessor {
    /// A lane of a warp.
    case lane(JudgedWarp, Int)
    /// Asynchronous work that knows what its issuer knew, of a block.
    case asynchronous(View, block: Int, MemorySpace)
    /// Host work, or what comes after all that is known.
    case host(View)
}

/// Race detection: each access is checked against the earlier ones in the shadow.
extension Judge {
    /// Whether `earlier` comes before an access of `accessor`.
    @inline(__always)
    func isOrdered(_ earlier: MemoryEvent, _ accessor: Accessor) -> Bool {
        switch accessor {
        case .lane(let warp, let lane): return warp.knows(earlier, lane)
        case .host(let view): return view.seen.knows(earlier)
        case .asynchronous(let view, let block, let space):
            // A fence between the proxies is needed after writes, except from asynchronous to asynchronous in one
            // block.
            if !earlier.isWrite { return view.seen.knows(earlier) }
            if earlier.isAsynchronous, owner(earlier.slot).blockNumber == block { return view.seen.knows(earlier) }
            return view.knows(fenced: earlier, in: space)
        }
    }

    /// Whether two accesses are morally strong, and so need no order: both strong, of one size, each in the other's
    /// scope.
    private func isMorallyStrong(_ first: MemoryEvent, _ second: MemoryEvent) -> Bool {
        guard first.isStrong, second.isStrong, first.isWide == second.isWide else { return false }
        // The network's adds are atomic among themselves alone.
        if first.isWrite, second.isWrite, first.kind.contains(.network) || second.kind.contains(.network) {
            return first.kind.contains(.adding) && second.kind.contains(.adding)
        }
        return includes(first.slot, second.slot, first.kind.scope)
            && includes(second.slot, first.slot, second.kind.scope)
    }

    /// Records an access of `size` bytes (a power of two, or any multiple of 16 at a multiple of 16).
    ///
    /// - Returns: False if it races; the machine's failure is then set.
    func access(
        _ region: UnsafeMutablePointer<Region>, _ offset: Int, _ size: Int, _ event: MemoryEvent, _ accessor: Accessor,
        in space: MemorySpace
    ) -> Bool {
        let shadow = shadow(region)
        shadow.pointee.refine(to: min(size & (0 &- size), 16))
        let granules = shadow.pointee.granules(offset, size)
        let cells = shadow.pointee.cells
        for index in granules {
            if let earlier = conflict(&cells[index], event, accessor) {
                report(
                    earlier, event, accessor, region, offset: max(index << shadow.pointee.shift, offset), size: size,
                    space)
                return false
            }
        }
        if event.isWrite, !event.isStrong, shadow.pointee.hasLocations {
            forgetLocations(UInt(bitPattern: region.pointee.data + offset), size)
        }
        return true
    }

    /// The event that an access conflicts with, or nil after recording it.
    @inline(__always)
    private func conflict(
        _ cell: inout Shadow.Cell, _ event: MemoryEvent, _ accessor: Accessor
    ) -> MemoryEvent? {
        if cell.write.exists, !isOrdered(cell.write, accessor), !isMorallyStrong(cell.write, event) {
            return cell.write
        }
        if event.isWrite {
            if cell.read.exists {
                if !isOrdered(cell.read, accessor), !isMorallyStrong(cell.read, event) { return cell.read }
                if cell.more >= 0 {
                    for read in readLists[Int(cell.more)]
                    where !isOrdered(read, accessor) && !isMorallyStrong(read, event) {
                        return read
                    }
                }
            }
            cell.write = event
            cell.read = MemoryEvent()
            cell.more = -1
        } else {
            add(event, to: &cell, accessor)
        }
        return nil
    }

    @inline(__always)
    private func add(_ event: MemoryEvent, to cell: inout Shadow.Cell, _ accessor: Accessor) {
        guard cell.read.exists else {
            cell.read = event
            return
        }
        if cell.more < 0 {
            if merge(event, into: &cell.read) { return }
            // A later read replaces an earlier one only if both are strong or both plain: a strong read races with
            // fewer writes.
            if isOrdered(cell.read, accessor), event.isStrong == cell.read.isStrong {
                cell.read = event
                return
            }
        }
        addToList(event, to: &cell)
    }

    /// Two lanes of one warp at one time become one event of several lanes.
    @inline(__always)
    private func merge(_ event: MemoryEvent, into other: inout MemoryEvent) -> Bool {
        guard other.slot == event.slot, other.kind == event.kind, !event.isAsynchronous else { return false }
        if other.lane == event.lane {
            other = event
            return true
        }
        guard other.time == event.time else { return false }
        other.lane = MemoryEvent.severalLanes
        other.step = event.step
        return true
    }

    private func addToList(_ event: MemoryEvent, to cell: inout Shadow.Cell) {
        if cell.more < 0 {
            cell.more = Int32(readLists.count)
            readLists.append([])
        }
        if merge(event, into: &cell.read) { return }
        let list = Int(cell.more)
        for index in readLists[list].indices where merge(event, into: &readLists[list][index]) { return }
        readLists[list].append(event)
    }

    /// A plain write ends the history of words that threads synchronised with, as does the end of a region.
    func forgetLocations(_ start: UInt, _ size: Int) {
        if size <= 16 {
            for address in stride(from: start & ~3, to: start + UInt(size), by: 4) { locations[address] = nil }
        } else {
            for address in locations.keys where address >= start && address < start + UInt(size) {
                locations[address] = nil
            }
        }
    }
}
