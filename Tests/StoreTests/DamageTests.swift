import Foundation
import Links
import Primitives
import Store
import Testing

/// Flipped bits: a link is right, damaged or absent, but never another; its neighbours do not suffer.
@Suite struct DamageTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    /// A closed store of the links, its file cut to what is in use, so that reading too far would be fatal.
    private func makeSound(generated: Int, aliases: Int) throws -> (links: Links, file: [UInt8]) {
        let links = try makeStore(
            settings(directory, clock: clock), clock: clock, generated: generated, aliases: aliases)
        var bytes = read(directory.file)
        bytes.removeLast(bytes.count - RawFile.usedBytes(bytes))
        try write(read(directory.identity), to: directory.identity + ".sound")
        return (links, bytes)
    }

    private func flip(_ bytes: [UInt8], bit: Int) throws {
        var bytes = bytes
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        try write(bytes, to: directory.file)
        try write(read(directory.identity + ".sound"), to: directory.identity)
    }

    private func row(_ table: String, holding destination: String, _ bytes: [UInt8]) -> RawFile.Node {
        let text = Array(destination.dropFirst("https://".count).utf8)
        return RawFile(bytes).nodes.first { $0.table == table && bytes[$0.value].suffix(text.count) == text[...] }!
    }

    private func key(_ row: RawFile.Node) -> String {
        read(directory.file)[row.key].map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// What readers say of every link when one row's bit is flipped.
    private func expectOnly(_ victim: [UInt8], damagedIn links: Links, _ comment: Comment) throws {
        try withStore(settings(directory, clock: clock)) { store in
            let reader = try store.makeReader()
            #expect(try reader.destination(victim) == "damaged", comment)
            #expect(reader.counters.damaged == 1, comment)
            for (code, destination) in links where code != victim {
                #expect(try reader.destination(code) == destination, comment)
            }
            #expect(reader.counters.damaged == 1, comment)
        }
    }

    @Test(arguments: [0, 17, 39]) func everyBitOfAGeneratedLink(victim: Int) throws {
        let (links, bytes) = try makeSound(generated: 40, aliases: 5)
        let destination = "https://generated-\(victim).example.com/path"
        let code = links.first { $0.value == destination }!.key
        let row = row(RawTable.linksName, holding: destination, bytes)
        for bit in 8 * row.key.lowerBound..<8 * row.value.upperBound {
            try flip(bytes, bit: bit)
            try expectOnly(code, damagedIn: links, "bit \(bit - 8 * row.key.lowerBound)")
            let problems = try StoreInspection(directory: directory.store).problems
            #expect(problems.contains { $0.contains(key(row)) }, "bit \(bit): \(problems)")
        }
    }

    @Test(arguments: [0, 7, 19]) func everyBitOfAnAlias(victim: Int) throws {
        let (links, bytes) = try makeSound(generated: 5, aliases: 20)
        let name = Array("alias-\(victim)".utf8)
        let row = row("aliases", holding: links[name]!, bytes)
        for bit in 8 * row.key.lowerBound..<8 * row.value.upperBound {
            try flip(bytes, bit: bit)
            try expectOnly(name, damagedIn: links, "bit \(bit - 8 * row.key.lowerBound)")
            let problems = try StoreInspection(directory: directory.store).problems
            #expect(problems.contains { $0.contains(key(row)) }, "bit \(bit): \(problems)")
        }
    }

    /// A name whose row is damaged is given to nobody else, wherever the damage is; others stay taken, and free.
    @Test func aDamagedAliasIsNotGivenAway() throws {
        let (links, bytes) = try makeSound(generated: 5, aliases: 20)
        let row = row("aliases", holding: links[Array("alias-7".utf8)]!, bytes)
        for bit in 8 * row.key.lowerBound..<8 * row.value.upperBound {
            try flip(bytes, bit: bit)
            try withStore(settings(directory, clock: clock)) { store in
                func create(_ name: String) throws -> Result<CreatedLink, WriteError> {
                    let alias = try Alias(Array(name.utf8).span.bytes, in: store.codeSpace)
                    return store.createAndWait(NewLink(alias: alias, body: body("https://other.example.com/")))
                }
                for number in 0..<20 {
                    guard case .failure(let error) = try create("alias-\(number)") else { throw Missing() }
                    #expect(error == (number == 7 ? .damagedRecord : .aliasTaken), "bit \(bit), alias-\(number)")
                }
                // A damaged key may lead any search astray; nobody knows then whose the name is.
                guard case .failure(let error) = try create("zeta") else { return }
                #expect(error == .damagedRecord && bit < 8 * row.key.upperBound, "bit \(bit)")
            }
        }
    }

    /// The last rows tell where numbers go on; damaged ones must not lead to a number that was given out.
    @Test func aDamagedLastNumberIsNotIssuedAgain() throws {
        let (links, bytes) = try makeSound(generated: 20, aliases: 0)
        let last = RawFile(bytes).nodes.last { $0.table == RawTable.linksName }!
        for bit in 8 * last.key.lowerBound..<8 * last.value.upperBound {
            try flip(bytes, bit: bit)
            try withStore(settings(directory, clock: clock)) { store in
                clock.advance(milliseconds: 1000)
                var created: Links = [:]
                for number in 0..<3 {
                    let link = try store.createAndWait("https://later-\(number).example.com/")
                    #expect(links[link.code] == nil && created[link.code] == nil && link.code.count == 7, "bit \(bit)")
                    created[link.code] = "https://later-\(number).example.com/"
                }
                try store.expect(created, "bit \(bit)")
                let reader = try store.makeReader()
                for (code, destination) in links {
                    // Between a row and its place there may be others now, so that no search comes across it.
                    let found = try reader.destination(code)
                    let isVictim = destination == "https://generated-19.example.com/path"
                    #expect(found == destination || isVictim && ["damaged", "absent"].contains(found), "bit \(bit)")
                }
            }
        }
    }

    /// The size and flags before a row are LMDB's own, and nothing guards them but what they lead to.
    @Test func headersOfRows() throws {
        let (links, bytes) = try makeSound(generated: 40, aliases: 20)
        for row in RawFile(bytes).nodes where row.table == RawTable.linksName || row.table == "aliases" {
            for bit in 0..<64 where bit != Self.fatalBit {
                try flip(bytes, bit: 8 * row.header.lowerBound + bit)
                try expectNoWrongDestination(links, "row at \(row.header.lowerBound), bit \(bit)")
                let isIgnored = bit == 33 || (35..<48).contains(bit)
                #expect(try StoreInspection(directory: directory.store).isSound == isIgnored, "bit \(bit)")
            }
        }
    }

    /// In the flags of a row; says that it has duplicates. LMDB believes it, and follows a null pointer.
    private static let fatalBit = 34

    private func expectNoWrongDestination(_ links: Links, _ comment: Comment) throws {
        do {
            try withStore(settings(directory, clock: clock)) { store in
                let reader = try store.makeReader()
                try reader.begin()
                defer { reader.end() }
                for (code, destination) in links {
                    guard case .link(let link) = reader.find(code.span.bytes) else { continue }
                    let found = link.view.prefix.description + String(decoding: link.destination, as: UTF8.self)
                    #expect(found == destination, comment)
                }
            }
        } catch is StoreError {}
    }

    /// Any bit but those that hold LMDB's own structure together, on which it relies without a check: the headers and
    /// tables of places of its pages, branch pages, the list of tables.
    @Test(arguments: 0..<4) func bitsAnywhere(seed: UInt64) throws {
        let (links, bytes) = try makeSound(generated: 300, aliases: 200)
        let file = RawFile(bytes)
        let rows = file.nodes.map { $0.key.lowerBound..<$0.value.upperBound }
        var random = SeededRandom(seed: seed)
        for run in 0..<100 {
            let place =
                Bool.random(using: &random)
                ? rows.randomElement(using: &random)! : file.unused.randomElement(using: &random)!
            let bit = 8 * Int.random(in: place, using: &random) + Int.random(in: 0..<8, using: &random)
            try flip(bytes, bit: bit)
            try expectNoWrongDestination(links, "seed \(seed), run \(run), bit \(bit)")
            let isSound = (try? StoreInspection(directory: directory.store).isSound) ?? false
            #expect(isSound == !rows.contains { $0.contains(bit / 8) }, "seed \(seed), run \(run), bit \(bit)")
        }
    }
}
