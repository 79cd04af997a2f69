import Primitives
import Testing

@testable import Import

struct CSVTests {
    @Test func shlink() throws {
        #expect(
            try links(.csv, Samples.shlink) == [
                ImportedLink("https://example.com/?a=1,2", "promo", tags: ["x", "y"], created: "2022-03-01T09:15:30Z"),
                ImportedLink("https://example.com/b", "a-b", title: "He said \"no\"", created: "2022-03-02T00:00:00Z"),
            ])
    }

    @Test func dub() throws {
        #expect(
            try links(.csv, Samples.dub) == [
                ImportedLink(
                    "https://example.com/dub", "github", tags: ["red", "a|b; c"], created: "2024-05-06T07:08:09.123Z"),
                ImportedLink("https://example.com/q?x=\"1\"", "x-1", created: "2024-05-07T00:00:00Z"),
            ])
    }

    @Test func bitly() throws {
        #expect(
            try links(.csv, Samples.bitly) == [
                ImportedLink(
                    "https://example.com/one", "3abcXyz", title: "One", tags: ["promo", "seasonal"],
                    created: "2021-01-05T10:00:00Z"),
                ImportedLink("https://example.com/two", "two", title: "Two\r\nlines", created: "2021-01-05T00:00:00Z"),
            ])
    }

    @Test func yourlsPlugin() throws {
        #expect(
            try links(.csv, Samples.yourlsPlugin) == [
                ImportedLink("https://example.com/abc", "abc"), ImportedLink("https://example.com/,", "d"),
            ])
    }

    @Test func spreadsheet() throws {
        #expect(
            try links(.csv, Samples.spreadsheet) == [
                ImportedLink(
                    "https://example.com/1", "one", title: "Eins, zwei", tags: ["a", "b"],
                    created: "2021-03-04T05:06:07Z"),
                ImportedLink("https://example.com/2", tags: ["a", "b"], created: "2021-03-04T05:06:07.891Z"),
                ImportedLink(
                    "https://example.com/3", "three", title: "b", tags: ["a"], created: "2021-03-04T05:06:07Z"),
            ])
    }

    @Test func refusedRows() throws {
        #expect(
            try refusals(.csv, Samples.brokenTable) == [
                2: .misplacedQuote, 3: .misplacedQuote, 5: .columns(2, header: 3), 6: .noLongURL, 7: .truncated,
            ])
        let third = try rows(.csv, Samples.brokenTable)[2]
        #expect(third.result == .success(ImportedLink("https://example.com/3", "three", title: "fine")))
    }

    @Test(arguments: [
        ("Created at", "yesterday", ImportRefusal.time("Created at")), ("Expires at", "12", .time("Expires at")),
        ("Forward query", "2", .boolean("Forward query")), ("Is active", "oui", .boolean("Is active")),
        ("Title", String(repeating: "x", count: 4097), .tooLongValue("title", limitBytes: 4096)),
        ("Short code", String(repeating: "x", count: 256), .tooLongValue("short code", limitBytes: 255)),
        ("Owner", String(repeating: "x", count: 256), .tooLongValue("owner", limitBytes: 255)),
        ("Tags", String(repeating: "x", count: 129), .tooLongValue("tag", limitBytes: 128)),
        ("Tags", String(repeating: "x;", count: 33), .tooManyTags),
    ])
    func refusedValues(column: String, value: String, refusal: ImportRefusal) throws {
        #expect(try refusals(.csv, "Long URL,\(column)\nhttps://example.com,\(value)") == [2: refusal])
        #expect(try refusals(.csv, "Long URL,\(column)\nhttps://example.com,") == [:])
    }

    @Test func longURLIsBounded() throws {
        let url = "https://example.com/" + String(repeating: "x", count: 8192)
        #expect(try refusals(.csv, "url\n\(url)") == [2: .tooLongValue("long URL", limitBytes: 8192)])
    }

    @Test func wrongUTF8() throws {
        let table = Array("Long URL,Note,Title\nhttps://e.test/1,x,".utf8) + [0xFF, 0x0A]
        #expect(try rows(.csv, table).map(\.result) == [.failure(.notUTF8)])
        // Nobody looks at a column that is ignored.
        let note = Array("Long URL,Note\nhttps://e.test/1,".utf8) + [0xFF, 0x0A]
        #expect(try rows(.csv, note).map(\.result) == [.success(ImportedLink("https://e.test/1"))])
        #expect(throws: ImportError.malformedHeader(.notUTF8)) { try rows(.csv, [0xFF, 0xFE, 0x55, 0x00]) }
    }

    @Test func columnsAreKnownByAnySpelling() throws {
        for header in ["LONG_URL,shortcode", "long-url,SHORT CODE", "longUrl,Short_Code", "\"Long URL\",\"Slug\"\r"] {
            #expect(try links(.csv, "\n\(header)\nhttps://e.test/,x") == [ImportedLink("https://e.test/", "x")])
        }
        #expect(try links(.csv, "Tags\tlong url\tname\na,b\thttps://e.test/\tx")[0].tags == ["a", "b"])
    }

    @Test func ignoredColumnsAreTold() throws {
        var reader = ImportReader(.csv)
        _ = try reader.read(Array("Long URL,Clicks,Long URL,Note".utf8))
        #expect(reader.ignoredColumns == [])
        _ = try reader.read(Array("\n".utf8))
        #expect(reader.ignoredColumns == ["Clicks", "Long URL", "Note"])
    }

    @Test func headerWithoutLongURL() throws {
        let found = ["Name", "Wébsite\u{1B}[2J", String(repeating: "x", count: 50)]
        let error = #expect(throws: ImportError.self) { try rows(.csv, found.joined(separator: ";") + "\na;b;c") }
        #expect(error == .noLongURLColumn(found: [found.joined(separator: ";")]))
        let names = #expect(throws: ImportError.self) { try rows(.csv, found.joined(separator: ",") + "\na,b,c") }
        #expect(
            names?.message == "The header names no column for the long URL, like \"Long URL\"; it names \"Name\", "
                + "\"Wébsite\u{FFFD}[2J\", \"" + String(repeating: "x", count: 40) + "…\".")
        let many = #expect(throws: ImportError.self) { try rows(.csv, String(repeating: "a,", count: 16) + "a\n") }
        #expect(many?.message.hasSuffix("\"a\", …") == true)
        #expect(throws: ImportError.noLongURLColumn(found: [""])) { try rows(.csv, "") }
    }

    @Test func malformedHeaders() throws {
        #expect(throws: ImportError.malformedHeader(.misplacedQuote)) { try rows(.csv, "Long \"URL\"\nx") }
        #expect(throws: ImportError.malformedHeader(.truncated)) { try rows(.csv, "\"Long URL\nx") }
        #expect(throws: ImportError.malformedHeader(.tooManyValues)) {
            try rows(.csv, String(repeating: ",;\t", count: 256))
        }
        let error = #expect(throws: ImportError.self) { try rows(.csv, String(repeating: "x", count: 65_537)) }
        #expect(error == .malformedHeader(.tooLong))
        #expect(error?.message == "The header cannot be read. The row has more than 65536 bytes.")
    }

    /// Without line feeds the whole table would be its header.
    @Test func bareReturns() throws {
        for text in ["Long URL,Title\rhttps://e.test/,x\r", "\"Long\rURL\",Title\rx", "\r\rLong URL\n", "a\rb\n"] {
            #expect(throws: ImportError.bareReturn) { try rows(.csv, text) }
        }
        #expect(ImportError.bareReturn.message.contains("LF or CRLF"))
        #expect(try links(.csv, "url,\"a\rb\"\r\nhttps://e.test/,\"x\ry\"\r\n") == [ImportedLink("https://e.test/")])
        #expect(try links(.csv, "Long URL,Title\r") == [])
        // UTF-16.
        let wide: [UInt8] = [0xFF, 0xFE] + "url\r\nhttps://e.test/\r\n".utf16.flatMap { [UInt8($0), 0] }
        #expect(throws: ImportError.malformedHeader(.notUTF8)) { try rows(.csv, wide) }
    }

    @Test func longRowsArePassedOver() throws {
        let long = String(repeating: "https://evil.test/\r\n", count: 4000)
        let table =
            "Long URL,Title\nhttps://e.test/1,\"\(long)\"\nhttps://e.test/2,\"b\"\n\(long.filter { $0 != "\r\n" })\n"
        #expect(
            try rows(.csv, table).map(\.result) == [
                .failure(.tooLong), .success(ImportedLink("https://e.test/2", title: "b")), .failure(.tooLong),
            ])
        let fits = "x," + String(repeating: "y", count: ImportLimits.rowBytes - 2)
        #expect(try refusals(.csv, "url,note\n\(fits)\n\(fits)y\n") == [3: .tooLong])
    }

    @Test func tooManyColumns() throws {
        let row = "https://e.test/" + String(repeating: ",", count: 256)
        #expect(try refusals(.csv, "url\n\(row)") == [2: .tooManyValues])
        #expect(try refusals(.csv, "url\n\(row.dropLast())") == [2: .columns(256, header: 1)])
    }

    @Test(arguments: [
        ("abc", "abc"), ("bit.ly/abc", "abc"), ("bit.ly/abc/?x=/y#z", "abc"), ("https://bit.ly/abc", "abc"),
        ("https://s.test/abc/?x=/y#z", "abc"), ("http://localhost:8080/abc", "abc"), ("/abc/", "abc"), ("a?b", "a?b"),
        ("a.b", "a.b"), ("/a?b", "a?b"),
    ])
    func codes(cell: String, code: String) throws {
        #expect(try CSVCell.code(cell) == code)
    }

    /// None of the segments is a code that anybody had.
    @Test(arguments: [
        "promo/june", "/promo/june", "bit.ly/promo/june", "https://s.test/go/abc", "localhost:8080/abc", "abc/?x",
        "https://bit.ly", "https://bit.ly/", "https://bit.ly/?x", "bit.ly/", "//",
    ])
    func codesOfOtherThanOneSegment(cell: String) throws {
        let refusal = ImportRefusal.codeSegments(cell)
        #expect(try refusals(.csv, "Long URL,Short code\nhttps://example.com,\(cell)\n") == [2: refusal])
        #expect(refusal.message == "\"\(cell)\" is no code: codes have one segment here.")
    }
}

struct ImportedTimeTests {
    @Test(arguments: [
        ("2021-03-04T05:06:07.891Z", 1_614_834_367_891), ("2021-03-04T06:06:07+01:00", 1_614_834_367_000),
        ("2021-03-04T05:06:07+0000", 1_614_834_367_000), ("2021-03-04T04:06:07-0100", 1_614_834_367_000),
        ("2021-03-04 05:06:07", 1_614_834_367_000), ("2021-03-04T05:06:07", 1_614_834_367_000),
        ("2021-03-04", 1_614_816_000_000), ("1614834367", 1_614_834_367_000), ("1614834367891", 1_614_834_367_891),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ])
    func known(text: String, milliseconds: Int64) {
        #expect(Instant(imported: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2021", "20210304", "16148343678910123", "04.03.2021", "2021-02-30", "2021-03-04 25:00:00", "1969-12-31",
        "9999-12-31T23:59:59-01:00", "2021-03-04T05:06:07 UTC", "1.5", "-161483436",
    ])
    func unknown(text: String) {
        #expect(Instant(imported: text) == nil)
    }
}
