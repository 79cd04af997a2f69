import Testing

@testable import Import

struct YOURLSTests {
    @Test func mysqldump() throws {
        #expect(
            try links(.yourls, Samples.mysqldump) == [
                ImportedLink(
                    "https://example.com/?q='x'", "1", title: "It's \"fine\"\n\\", created: "2021-03-04T05:06:07Z"),
                ImportedLink("https://example.com/(a),(b);", "abc"),
                ImportedLink("https://example.com/c", "c", created: "2021-03-05T00:00:00Z"),
            ])
        #expect(try rows(.yourls, Samples.mysqldump).map(\.line) == [9, 9, 10])
    }

    @Test func phpMyAdmin() throws {
        #expect(
            try links(.yourls, Samples.phpMyAdmin) == [
                ImportedLink("https://example.com/g", "g", title: "Größe; 'doppelt'", created: "2019-02-22T23:59:32Z"),
                ImportedLink("https://example.com/h", "h-1", created: "2019-02-23T00:00:00Z"),
            ])
    }

    @Test func otherLiterals() throws {
        #expect(
            try links(.yourls, Samples.navicat) == [
                ImportedLink("https://example.com/h", "h", title: "T", created: "2014-03-08T00:38:44Z"),
                ImportedLink("https://example.com/i", "i", title: "U", created: "2014-03-08T00:00:00Z"),
                ImportedLink("https://j", "j", title: "\\%\\_\u{1A}\0"),
            ])
    }

    @Test func refusedRows() throws {
        #expect(
            try refusals(.yourls, Samples.brokenDump) == [
                1: .columns(2, header: 6), 2: .expression, 3: .hexadecimal, 4: .expression, 5: .time("timestamp"),
                6: .malformedStatement, 7: .malformedStatement, 8: .malformedStatement, 9: .truncated,
            ])
        #expect(try rows(.yourls, Samples.brokenDump)[5].result == .success(ImportedLink("https://example.com/f", "f")))
    }

    @Test(arguments: [
        ("'a','',0x,'','',0", ImportRefusal.noLongURL), ("'a',x'6','','','',0", .hexadecimal),
        ("'a',0xzz,'','','',0", .hexadecimal), ("'a' 'b','u','','','',0", .expression), ("", .expression),
        ("'a','u','','','',0,", .expression), ("'a',b'1','','','',0", .expression), ("`a`,'u','','','',0", .expression),
        ("'a','u','','','',_binary", .expression), ("x,'u','','','',0", .expression),
        ("'a',-'u','','','',0", .expression), ("'a','u'/2,'','','',0", .expression),
        ("'a','u','','','',0,1", .columns(7, header: 6)),
        (Array(repeating: "0", count: 257).joined(separator: ","), .tooManyValues),
    ])
    func refusedValues(values: String, refusal: ImportRefusal) throws {
        let dump = "insert into url values\n(\(values)),\n('z','https://e.test','','','',0);"
        let results = try rows(.yourls, dump).map(\.result)
        #expect(results == [.failure(refusal), .success(ImportedLink("https://e.test", "z"))])
    }

    @Test func wrongUTF8() throws {
        let dump = Array("INSERT INTO url VALUES ('a','u','".utf8) + [0xE9] + Array("','','',0)".utf8)
        #expect(try rows(.yourls, dump).map(\.result) == [.failure(.notUTF8)])
    }

    /// What stands in other statements is never kept, however long it is, and rows that are too long are passed over.
    @Test func longRowsArePassedOver() throws {
        let long = String(repeating: "),('evil','https://evil.test','','','',0);", count: 4000)
        let dump = """
            \(long.filter { $0 != "'" && $0 != ";" });
            INSERT INTO log VALUES ('\(long)'), ("\(long.filter { $0 != "\"" })");
            INSERT INTO url VALUES ('a','https://e.test/a','\(long.replacing("'", with: "''"))','','',0),
            ('b','https://e.test/b','','','',0),(\(String(repeating: "1", count: 70_000)));
            INSERT INTO url (\(String(repeating: "keyword,url,", count: 10_000))x) VALUES ('c','https://e.test/c');
            INSERT INTO `\(String(repeating: "x", count: 100_000))url` VALUES ('d','https://e.test/d');
            """
        let expected: [Result<ImportedLink, ImportRefusal>] = [
            .failure(.tooLong), .success(ImportedLink("https://e.test/b", "b")), .failure(.tooLong),
            .failure(.malformedStatement),
        ]
        #expect(try rows(.yourls, dump).map(\.result) == expected)
    }

    @Test(arguments: [
        "INSERT INTO url VALUES ('a','u','','','',0) AS new ON DUPLICATE KEY UPDATE url = new.url;",
        "insert low_priority into `d``b`.`x_URL` value ('a','u','','','',0)",
        "--\nREPLACE URL VALUES ('a','u','','','',0)",
        "INSERT/**/INTO/***/url/* * / ; */VALUES--x\n('a','u','','','',0)#",
        "INSERT INTO url(`URL`,\"Keyword\")VALUES('u','a')", "INSERT INTO d . url (keyword, url) VALUES ('a', 'u');;",
    ])
    func statements(dump: String) throws {
        #expect(try links(.yourls, dump) == [ImportedLink("u", "a")])
    }

    @Test(arguments: [
        "INSERT INTO yourls_log VALUES ('a','u')", "UPDATE url SET url = 'x'; -- INSERT INTO url VALUES ('a','u')",
        "/* INSERT INTO url VALUES ('a','u') */", "CREATE TABLE url (keyword int)",
        "SELECT 'INSERT INTO url VALUES (1)'",
        "INSERT INTO url (keyword) VALUES ('a')", "INSERT INTO", "INSERT (", "INSERT INTO log; SET x = 1", "a/b-c", "`",
    ])
    func nothing(dump: String) throws {
        #expect(try rows(.yourls, dump) == [])
    }

    @Test(arguments: [
        "INSERT INTO url SET url = 'x'", "INSERT INTO url VALUES;", "INSERT INTO url (keyword, url) SELECT 1",
    ])
    func malformedStatements(dump: String) throws {
        #expect(
            try rows(.yourls, dump + ";INSERT INTO url VALUES ('a','u','','','',0)").map(\.result) == [
                .failure(.malformedStatement), .success(ImportedLink("u", "a")),
            ])
    }
}
