import Primitives
import Testing

@testable import Import

struct LineTests {
    @Test func golink() throws {
        #expect(
            try rows(.golink, Samples.golink).map(\.result) == [
                .success(
                    ImportedLink(
                        "https://example.com/docs", "docs", created: "2022-06-02T02:22:05.123Z",
                        owner: "amelie@example.com")),
                .success(ImportedLink("https://example.com/old", "Old")), .failure(.template),
            ])
    }

    @Test func own() throws {
        var docs = ImportedLink(
            "https://example.com/2", "docs", title: "Zwei", tags: ["a", "b"], expires: "2030-01-01T00:00:00Z",
            owner: "ops")
        docs.isActive = false
        docs.forwardsQuery = true
        #expect(
            try links(.ndjson, Samples.ndjson) == [
                ImportedLink("https://example.com/1", "1TcH0Me", created: "2026-01-02T03:04:05.006Z"), docs,
                ImportedLink("https://example.com/3"),
            ])
        #expect(try rows(.ndjson, Samples.ndjson).map(\.line) == [1, 2, 4])
    }

    @Test(arguments: [
        ("[]", ImportRefusal.noObject), ("{}", .noLongURL), ("{'long_url':''}", .noLongURL),
        ("{'long_url':'u'", .json(.malformed(at: 16))), ("{'long_url':1}", .member("long_url", wanted: "a string")),
        ("{'long_url':'u','url':'v','a\\u001bb':1}", .unknownMember("a\u{1B}b")),
        ("{'long_url':'u','title':'a','title':'b'}", .json(.repeatedName(at: 28))),
        ("{'long_url':'u','short_code':'a','custom_alias':'b'}", .codesDiffer),
        ("{'long_url':'u','tags':'a'}", .member("tags", wanted: "an array of strings")),
        ("{'long_url':'u','tags':[1]}", .member("tags", wanted: "an array of strings")),
        ("{'long_url':'u','is_active':'true'}", .member("is_active", wanted: "true or false")),
        ("{'long_url':'u','forward_query':1}", .member("forward_query", wanted: "true or false")),
        ("{'long_url':'u','created_at':'x'}", .time("created_at")),
        ("{'long_url':'u','expires_at':'x'}", .time("expires_at")),
    ])
    func refused(line: String, refusal: ImportRefusal) throws {
        let results = try rows(.ndjson, json("\(line)\r\n{'long_url':'v'}")).map(\.result)
        #expect(results == [.failure(refusal), .success(ImportedLink("v"))])
    }

    @Test func emptyValuesAreNone() throws {
        let line = "{'long_url':'u','short_code':'','title':'','owner':'','tags':['','a',''],'created_at':''}"
        #expect(try links(.ndjson, "\u{FEFF}" + json(line)) == [ImportedLink("u", tags: ["a"])])
    }

    @Test func wrongUTF8() throws {
        let line = Array(json("{'long_url':'u','title':'").utf8) + [0xC3] + Array(json("'}").utf8)
        #expect(try rows(.ndjson, line).map(\.result) == [.failure(.notUTF8)])
    }

    @Test func longLinesArePassedOver() throws {
        let long = "{'long_url':'u','title':'\(String(repeating: "x", count: 70_000))'}"
        let results = try rows(.golink, json("\(long)\n\n{'Short':'a','Long':'u'}")).map(\.result)
        #expect(results == [.failure(.tooLong), .success(ImportedLink("u", "a"))])
    }

    /// With quotes where apostrophes stand.
    private func json(_ text: String) -> String { text.replacing("'", with: "\"") }
}
