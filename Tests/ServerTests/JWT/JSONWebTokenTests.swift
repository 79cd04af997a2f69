import Links
import Primitives
import Testing

@testable import Server

/// How tokens and their claims are read.
@Suite struct JSONWebTokenTests {
    private func refusal(_ text: String) -> JWTRefusal? {
        do throws(JWTRefusal) { _ = try JSONWebToken(Array(text.utf8)) } catch { return error }
        return nil
    }

    private static let header = base64url(#"{"alg":"ES256","kid":"a","typ":"JWT"}"#.utf8)

    @Test func parts() throws {
        let token = try JSONWebToken(Array("\(Self.header).e30.AQID".utf8))
        #expect(token.algorithm == .es256 && token.keyID == "a")
        #expect(token.payload == Array("{}".utf8) && token.signature == [1, 2, 3])
        #expect(token.signed == Array("\(Self.header).e30".utf8))
    }

    @Test func malformed() {
        let header = Self.header
        let texts = [
            "", ".", "..", "a.b.c", "\(header).e30", "\(header).e30.AQID.", "\(header).e30.AQID.AQID",
            // Padding, the other alphabet, a length that no bytes have, bits behind the last byte, space, line ends.
            "\(header).e30=.AQID", "\(header).e30.AQIDBA==", "\(header).e30.A+ID", "\(header).e30.A/ID",
            "\(header).e30.A",
            "\(header).e30.AQIDAQIDA", "\(header).e30.AQJ", "\(header).e31.AQID", "\(header).e30.AQ ID",
            "\(header).e30.AQID\n", " \(header).e30.AQID", "\(header).e\u{e9}.AQID",
        ]
        for text in texts { #expect(refusal(text) == .malformed, "\(text)") }
        for json in [
            "", "null", "[]", "{", "{}", #"{"alg":1}"#, #"{"alg":null}"#, #"{"alg":"ES256","kid":1}"#,
            #"{"alg":"ES256","kid":null}"#, #"{"alg":"ES256","alg":"ES256"}"#, #"{"alg":"ES256"} {}"#,
            #"{"alg":["ES256"]}"#,
        ] { #expect(refusal("\(base64url(json.utf8)).e30.AQID") == .malformed, "\(json)") }
        let notUTF8 = base64url(Array(#"{"alg":"ES256","a":""#.utf8) + [0xff] + Array("\"}".utf8))
        #expect(refusal("\(notUTF8).e30.AQID") == .malformed)
        for json in [#"{"alg":"ES256","crit":["exp"]}"#, #"{"alg":"none","crit":[]}"#, #"{"alg":"ES256","crit":null}"#]
        {
            #expect(refusal("\(base64url(json.utf8)).e30.AQID") == .critical, "\(json)")
        }
        let rest = JWTLimits.tokenBytes - header.utf8.count - 2
        let payload = String(repeating: "A", count: rest - rest % 4)
        #expect(refusal("\(header).\(payload).") == nil)
        #expect(refusal("\(header).\(payload).AQIDAQID") == .malformed)
        #expect(!JSONWebToken.hasForm(Array("edge_key".utf8)) && !JSONWebToken.hasForm(Array("a.b".utf8)))
    }

    private func read(_ json: String) -> Result<JWTClaims, JWTRefusal> {
        do throws(JWTRefusal) { return .success(try JWTClaims(Array(json.utf8))) } catch { return .failure(error) }
    }

    @Test func members() throws {
        let claims = try read(
            """
            {"sub":"alice","exp":2000000000.5,"nbf":1e9,"iat":1000000000,"jti":"one","iss":"me","aud":["a","b"],\
            "scope":"openid links:create  admin","scp":["links:manage"],"name":{"x":[1.5,null]}}
            """
        ).get()
        #expect(
            claims.subject == "alice" && claims.id == "one" && claims.issuer == "me" && claims.audiences == ["a", "b"])
        #expect(claims.expiresAt.milliseconds == 2_000_000_000_500)
        #expect(claims.notBefore == claims.issuedAt && claims.issuedAt?.milliseconds == 1_000_000_000_000)
        #expect(claims.scopes == [.createLinks, .admin])
        let least = try read(#"{"sub":"a","exp":0}"#).get()
        #expect(least.id == nil && least.issuer == nil && least.audiences == [] && least.scopes == [])
        for (member, scopes) in [
            (#""scope":["links:manage","x"]"#, [KeyScopes.manageLinks]), (#""scp":["links:create"]"#, [.createLinks]),
            (#""scp":"links:create links:manage""#, [.createLinks, .manageLinks]), (#""scope":"""#, []),
            (#""scope":"LINKS:CREATE links:create,links:manage""#, []), (#""scope":[]"#, []),
        ] { #expect(try read("{\"sub\":\"a\",\"exp\":1,\(member)}").get().scopes == KeyScopes(scopes), "\(member)") }
    }

    @Test func wrongMembers() {
        let (long, longest) = (String(repeating: "é", count: 128), String(repeating: "a", count: 255))
        for json in [
            "", "[]", "null", #"{"sub":"a"}"#, #"{"exp":1}"#, #"{"sub":"","exp":1}"#, #"{"sub":1,"exp":1}"#,
            #"{"sub":null,"exp":1}"#, #"{"sub":"\#(long)","exp":1}"#, #"{"sub":"a","exp":"1"}"#,
            #"{"sub":"a","exp":null}"#,
            #"{"sub":"a","exp":1e13}"#, #"{"sub":"a","exp":-1e13}"#, #"{"sub":"a","exp":1e999}"#,
            #"{"sub":"a","exp":9223372036854775807}"#, #"{"sub":"a","exp":1,"exp":2}"#,
            #"{"sub":"a","exp":1,"nbf":"1"}"#,
            #"{"sub":"a","exp":1,"iat":true}"#, #"{"sub":"a","exp":1,"jti":1}"#, #"{"sub":"a","exp":1,"jti":""}"#,
            #"{"sub":"a\n","exp":1}"#,
            #"{"sub":"a","exp":1,"jti":"\#(long)"}"#, #"{"sub":"a","exp":1,"aud":1}"#,
            #"{"sub":"a","exp":1,"aud":["a",1]}"#,
            #"{"sub":"a","exp":1,"scope":1}"#, #"{"sub":"a","exp":1,"scope":[1]}"#,
            #"{"sub":"a","exp":1,"scope":null}"#,
        ] { #expect(read(json) == .failure(.claims), "\(json)") }
        #expect((try? read(#"{"sub":"\#(longest)","jti":"\#(longest)","exp":1}"#).get()) != nil)
    }

    @Test func times() throws {
        let rules = JWTRules(leewayMilliseconds: 30_000)
        let claims = try read(#"{"sub":"a","exp":2000,"nbf":1000}"#).get()
        for (milliseconds, expected) in [
            (969_999, JWTRefusal.early), (970_000, nil), (1_500_000, nil), (2_029_999, nil), (2_030_000, .expired),
            (0, .early), (1 << 50, .expired),
        ] as [(Int64, JWTRefusal?)] {
            let instant = Instant(milliseconds: milliseconds)
            do throws(JWTRefusal) {
                try claims.check(rules, now: instant)
                #expect(expected == nil, "\(milliseconds)")
            } catch {
                #expect(error == expected, "\(milliseconds)")
            }
        }
    }

    @Test func issuersAndAudiences() throws {
        let now = Instant(milliseconds: 1)
        func check(_ more: String, _ rules: JWTRules) -> JWTRefusal? {
            do throws(JWTRefusal) { try read(#"{"sub":"a","exp":2000\#(more)}"#).get().check(rules, now: now) } catch {
                return error
            }
            return nil
        }
        let issuers = JWTRules(issuers: ["https://a.example", "b"])
        for (more, expected) in [
            (#","iss":"b""#, nil), (#","iss":"https://a.example""#, nil), (#","iss":"https://a.example/""#, .issuer),
            ("", .issuer), (#","iss":["b"]"#, .issuer), (#","iss":"B""#, .issuer),
        ] as [(String, JWTRefusal?)] { #expect(check(more, issuers) == expected, "\(more)") }
        let audiences = JWTRules(audiences: ["x", "y"])
        for (more, expected) in [
            (#","aud":"x""#, nil), (#","aud":["z","y"]"#, nil), (#","aud":["z"]"#, .audience), ("", .audience),
            (#","aud":[]"#, .audience), (#","aud":"xy""#, .audience),
        ] as [(String, JWTRefusal?)] { #expect(check(more, audiences) == expected, "\(more)") }
        #expect(check(#","iss":7,"aud":"q""#, JWTRules()) == nil)
    }

    /// It holds the last half and the one before, and nothing of other keys.
    @Test func memo() {
        func hash(_ number: Int) -> [UInt8] { Array(String(number).utf8) }
        func holder(_ number: Int, end: Int64 = 1000) -> JWTMemo.Holder {
            JWTMemo.Holder(
                caller: .holder(principal: hash(number), scopes: .admin), tokenID: nil, subjectID: KeyID(1),
                issuedAt: nil,
                end: Instant(milliseconds: end))
        }
        var memo = JWTMemo()
        let now = Instant(milliseconds: 999)
        #expect(memo.find(hash(0), number: 1, now: now) == nil)
        memo.keep(hash(0), holder(0))
        #expect(memo.find(hash(0), number: 1, now: now)?.caller.principal == hash(0))
        #expect(memo.find(hash(0), number: 1, now: Instant(milliseconds: 1000)) == nil)
        for number in 1...3 * JWTLimits.remembered {
            memo.keep(hash(number), holder(number))
            // One that is asked for all the time stays.
            #expect(memo.find(hash(0), number: 1, now: now) != nil)
            #expect(memo.count <= JWTLimits.remembered)
        }
        #expect(memo.find(hash(1), number: 1, now: now) == nil)
        #expect(memo.find(hash(3 * JWTLimits.remembered), number: 1, now: now) != nil)
        #expect(memo.find(hash(0), number: 2, now: now) == nil && memo.count == 0)
    }
}
