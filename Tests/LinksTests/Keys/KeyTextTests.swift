import Links
import Primitives
import Testing

@Suite struct KeyTextTests {
    private func randomKey(_ random: inout SeededRandom) -> KeyText {
        let any = UInt128.min ... .max
        return KeyText(
            id: KeyID(.random(in: any, using: &random)),
            secret: (.random(in: any, using: &random), .random(in: any, using: &random)))
    }

    @Test func roundTrip() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<1000 {
            let key = randomKey(&random)
            let text = key.text
            #expect(text.wholeMatch(of: /edge_[0-9A-Za-z]{22}_[0-9A-Za-z]{50}/) != nil, "\(text)")
            #expect(text.hasPrefix("edge_\(key.id)_") && text.utf8.count == KeyText.sizeBytes)
            let again = try #require(KeyText(Array(text.utf8)))
            #expect(again.id == key.id && again.secret == key.secret)
            #expect(KeyID(key.id.description) == key.id)
            #expect(try KeyID(decoding: key.id.bytes.span.bytes) == key.id)
        }
    }

    /// A key in which a character was changed, left out, doubled or swapped with its neighbour is none.
    @Test func mistyped() {
        var random = SeededRandom(seed: 12)
        for _ in 0..<50 {
            let text = Array(randomKey(&random).text.utf8)
            for place in text.indices {
                var changed = text
                repeat { changed[place] = Array("0aZz_-".utf8).randomElement(using: &random)! } while changed == text
                #expect(KeyText(changed) == nil, "\(String(decoding: changed, as: UTF8.self))")
                #expect(KeyText(Array(text[..<place] + text[(place + 1)...])) == nil)
                #expect(KeyText(Array(text[...place] + text[place...])) == nil)
                guard place > 0, text[place] != text[place - 1] else { continue }
                var swapped = text
                swapped.swapAt(place, place - 1)
                #expect(KeyText(swapped) == nil)
            }
        }
    }

    @Test(arguments: [
        "", "000000000000000000000", "00000000000000000000000", "zzzzzzzzzzzzzzzzzzzzzz", "000000000000000000000-",
        "00000000000000000000é",
    ])
    func noID(text: String) { #expect(KeyID(text) == nil) }

    @Test func ends() {
        #expect(KeyID(0).description == String(repeating: "0", count: 22))
        #expect(KeyID(KeyID(.max).description) == KeyID(.max))
    }

    @Test func scopes() {
        #expect(KeyScopes(["links:create", "later:scope"]) == .createLinks)
        #expect(KeyScopes(["admin", "links:manage"]).names == ["links:manage", "admin"])
        for (name, scope) in KeyScopes.named {
            #expect(KeyScopes([name]) == scope && scope.allows(scope) && KeyScopes.admin.allows(scope))
            #expect(!KeyScopes([]).allows(scope))
            if scope != .admin { #expect(!scope.allows(.admin)) }
        }
        #expect(!KeyScopes.createLinks.allows(.manageLinks))
    }
}

@Suite struct KeyBodyTests {
    private func encoded(_ body: KeyBody) -> [UInt8] {
        var bytes: [UInt8] = []
        body.encode(into: &bytes)
        return bytes
    }

    @Test func roundTrip() throws {
        var random = SeededRandom(seed: 13)
        func chance() -> Bool { Bool.random(using: &random) }
        for _ in 0..<2000 {
            var body = KeyBody()
            if chance() { body.flags.insert(.inactive) }
            if chance() { body.flags.insert(.deleted) }
            if chance() { body.secretHash = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) } }
            if chance() {
                body.creation = Creation(
                    stamp: random.next(), origin: Origin(region: 0x31, node: 2, incarnation: random.next()))
            }
            if chance() { body.principal = Array("billing".utf8) }
            if chance() { body.scopes = ["links:create", "later:scope"] }
            if chance() { body.label = "ä label" }
            if chance() { body.expiresAt = Instant(milliseconds: Int64.random(in: 0..<1 << 48, using: &random)) }
            if chance() { body.revokes = chance() ? .jti : .sub }
            if chance() {
                // A claim that only a newer program knows.
                if body.revokes == nil { body.unknown = [UnknownField(tag: 7, content: [3])] }
                body.unknown += [UnknownField(tag: 8, content: [1]), UnknownField(tag: 1 << 40, content: [])]
            }
            #expect(try KeyBody(decoding: encoded(body).span.bytes) == body)
        }
    }

    @Test(
        arguments: [
            // No body; flags that must be zero.
            [], [0x80], [0x01], [0x04], [0x20], [0x40],
            // Sizes, UTF-8; order and lengths.
            [0, 1, 1, 0], [0, 5, 2, 0xC3, 0x28], [0, 6, 5, 0, 0, 0, 0, 0], [0, 6, 7, 0, 0, 0, 0, 0, 0, 0],
            [0, 5, 0, 3, 0], [0, 5, 0, 5, 0], [0, 0, 0], [0, 5, 9, 0], [0, 5], [0, 4, 2, 2, 0x61], [0, 7, 2, 1, 1],
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) { #expect(throws: MalformedBytes.self) { try KeyBody(decoding: bytes.span.bytes) } }

    @Test func states() {
        let now = Instant(milliseconds: 1000)
        func state(_ flags: LinkBody.Flags, _ expiry: Int64?) -> KeyBody.State {
            var body = KeyBody()
            (body.flags, body.expiresAt) = (flags, expiry.map { Instant(milliseconds: $0) })
            return body.state(at: now)
        }
        #expect(state([], nil) == .active && state([], 1001) == .active)
        #expect(state([], 1000) == .expired && state([], 999) == .expired && state(.inactive, 999) == .expired)
        #expect(state(.inactive, nil) == .inactive)
        #expect(state(.deleted, nil) == .revoked && state([.deleted, .inactive], 999) == .revoked)
    }

    @Test func aTombstoneHasNoSecret() {
        var body = KeyBody()
        (body.secretHash, body.label, body.flags) = ([UInt8](repeating: 7, count: 32), "name", .inactive)
        let creation = Creation(stamp: 5, origin: Origin(region: 0x31, node: 0, incarnation: 9))
        let revoked = body.revoked(creation)
        #expect(revoked.secretHash == nil && revoked.creation == creation && revoked.label == "name")
        #expect(revoked.flags == .deleted)
    }
}
