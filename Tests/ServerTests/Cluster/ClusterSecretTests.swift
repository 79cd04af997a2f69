import Links
import Server
import Testing

@Suite struct ClusterSecretTests {
    private let secret = ClusterSecret(Array("0123456789abcdef0123456789abcdef".utf8))
    private let codeSecret = Array(UInt8(0)..<32)

    /// Test case 2 of RFC 4231.
    @Test func proofIsHMAC() {
        let mac = ClusterSecret(Array("Jefe".utf8)).proof.mac(Array("what do ya want for nothing?".utf8))
        let expected: [UInt64] = [
            0x5bdc_c146_bf60_754e, 0x6a04_2426_0895_75c7, 0x5a00_3f08_9d27_3983, 0x9dec_58b9_64ec_3843,
        ]
        #expect(mac == expected.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } })
    }

    /// What another implementation of HMAC gives; any node, of any version, must give the same.
    @Test func checkIsKnown() { #expect(secret.check(ofCodeSecret: codeSecret) == 0xbc19_8273_f6e6_2026) }

    /// So is what a client's token bears: it is for ever, since clients keep it.
    @Test func tokenIsKnown() {
        let life = LifeTag(Origin(region: UInt8(ascii: "1"), node: 0, incarnation: 0x1111 << 48 | 5))!
        let token = Token(LogPosition(life, 0x0102_0304_0506))
        let key = ClusterSecret.tokenKey(secret, codeSecret: codeSecret)
        #expect(String(decoding: token.text(key), as: UTF8.self) == "AQQEREBAgMEBQYDfKouUMVuEhA")
        let alone = ClusterSecret.tokenKey(nil, codeSecret: codeSecret)
        #expect(Token(token.text(alone).span.bytes, key) == nil)
        #expect(Token(token.text(alone).span.bytes, alone) == token)
    }

    /// It tells the code secrets of a cluster apart, and nothing to who has not the cluster's.
    @Test func checkDependsOnBoth() {
        let other = ClusterSecret(Array("0123456789abcdef0123456789abcdeg".utf8))
        let checks = [secret, other].flatMap { secret in
            [codeSecret, codeSecret.reversed(), []].map { secret.check(ofCodeSecret: $0) }
        }
        #expect(Set(checks).count == 6)
        // A proof is never a check: the messages begin otherwise.
        #expect(secret.proof.mac(codeSecret)[..<8].reduce(0) { $0 << 8 | UInt64($1) } != checks[0])
    }
}
