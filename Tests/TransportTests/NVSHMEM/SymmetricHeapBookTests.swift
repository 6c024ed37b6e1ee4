import Testing
import Transport

/// What processes free of the symmetric heap, together and in one order.
@Suite struct SymmetricHeapBookTests {
    /// A process that has made groups with so many allocations each, at addresses of its own.
    private func book(_ counts: [Int], from base: UInt64) -> SymmetricHeapBook {
        var book = SymmetricHeapBook()
        for (index, count) in counts.enumerated() {
            let number = book.begin()
            for place in 0..<count { book.note(base + UInt64(100 * index + place), bytes: 64, of: number) }
        }
        return book
    }

    @Test func onlyWhatHasGoneEverywhereIsFreed() {
        var books = [book([2, 1, 3], from: 1000), book([2, 1, 3], from: 9000)]
        #expect(books.map(\.next) == [4, 4] && books.map(\.inUse) == [3, 3])
        #expect(books.map { $0.statement() } == ["", ""])
        for number in [3, 1] { books[0].leave(number) }
        for number in [1, 2, 3] { books[1].leave(number) }
        let agreed = SymmetricHeapBook.agreed(books.map { $0.statement() })
        #expect(agreed == [1, 3])
        for process in 0..<2 {
            let freed = agreed.flatMap { books[process].take($0) }
            let base: UInt64 = process == 0 ? 1000 : 9000
            #expect(freed == [0, 1, 200, 201, 202].map { base + $0 })
            // Nothing is freed twice.
            #expect(books[process].take(1).isEmpty && SymmetricHeapBook.agreed([books[process].statement()]) != [1])
        }
        #expect(books[0].inUse == 1 && books[0].statement(ofAll: true) == "2:1:64")
    }

    /// A group that could not be made in one process has less memory there, and is kept.
    @Test func whatDiffersIsKept() {
        var books = [book([2], from: 0), book([1], from: 0)]
        for process in 0..<2 { books[process].leave(1) }
        #expect(books.map { $0.statement() } == ["1:2:128", "1:1:64"])
        #expect(SymmetricHeapBook.agreed(books.map { $0.statement() }) == [])
        #expect(SymmetricHeapBook.agreed([]) == [])
    }

    @Test func numbersAreNeverUsedAgain() {
        var own = book([1], from: 0)
        own.leave(1)
        #expect(own.take(1) == [0])
        #expect(own.begin() == 2 && own.inUse == 1)
        // Of a group that has been freed nothing is noted.
        own.note(7, bytes: 64, of: 1)
        #expect(own.statement(ofAll: true) == "2:0:0")
    }
}
