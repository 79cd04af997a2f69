import Links
import Primitives
import Testing

@testable import Store

extension BlockWrite {
    fileprivate static func lift(_ key: LinkKey, of destination: String) -> BlockWrite {
        BlockWrite(
            key: key, isBlocked: false, source: .decision, reason: "", by: [], destination: Array(destination.utf8))
    }
}

@Suite struct BlockTurnTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// Who lifts a block has looked at where the link leads. Where it leads elsewhere since, lists judge it again, and what
    /// they say stands against those who know of the lift alone, whichever comes first.
    @Test func aLiftIsOfItsDestination() throws {
        let (there, elsewhere) = ("https://there.example.com/", "https://elsewhere.example.com/")
        try withStore(clusterSettings(directory, clock: clock)) { store in
            let key = try store.createAndWait(there).key
            func write(_ write: BlockWrite) throws -> Bool { try store.moderateAndWait(write).get().sequence != nil }
            #expect(try write(.lift(key, of: there)) && !write(.lift(key, of: there)))
            // Of this destination, and where nobody knows of which.
            for destination in [there, ""] { #expect(try !write(.list("a", key, true, of: destination))) }
            #expect(try !write(.list("a", key, false, of: elsewhere)))
            let decision = try #require(try store.standing(key))
            #expect(try write(.list("a", key, true, of: elsewhere)))
            #expect(try store.standing(key)?.turn == 1 && store.makeReader().isBlocked(store.code(key)) == true)
            // Another region has the lift alone, and says so later.
            var author = Author()
            author.write(.block(key), .block(decision), stamp: store.vector.map(\.headStamp.rawValue).max()! + 1)
            #expect(store.applyAndWait(author.whole) == .applied)
            #expect(try store.standing(key)?.isBlocked == true)
            // Who knows of the list's block decides over it, of the new destination, and of any.
            #expect(try write(.lift(key, of: elsewhere)) && !write(.list("a", key, true, of: elsewhere)))
            #expect(try write(.list("a", key, true, of: there)) && store.standing(key)?.turn == 2)
            #expect(try write(.lift(key, of: "")) && !write(.list("a", key, true, of: elsewhere)))
            #expect(try store.block(key).isNew && !write(.list("a", key, false, of: elsewhere)))
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
