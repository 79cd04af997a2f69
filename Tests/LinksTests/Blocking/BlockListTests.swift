import CountedAllocator
import Primitives
import Testing

@testable import Links

@Suite struct BlockListTests {
    private static func read(_ files: (String, String)...) throws -> BlockList {
        var reader = BlockListReader()
        for (name, text) in files {
            reader.begin(name)
            try reader.read(Array(text.utf8))
            try reader.end()
        }
        return reader.finish()
    }

    /// `list:line` of what blocks the URL.
    private func match(_ list: BlockList, _ text: String, forwardsQuery: Bool = false) throws -> String? {
        var url = NormalisedURL()
        try url.read(try Destination(text, policy: .everywhere).bytes)
        return list.find(url, forwardsQuery: forwardsQuery).map { "\($0.list):\($0.line ?? 0)" }
    }

    @Test func hostsFile() throws {
        let text =
            "\u{FEFF}# Title\r\n127.0.0.1 localhost localhost.localdomain\r\n::1 ip6-localhost # own\n"
            + "255.255.255.255 broadcasthost\nfe80::1%lo0 localhost\n0.0.0.0 0.0.0.0\n10.0.0.7 nas printer.local\n\n"
            + "0.0.0.0 ads.example.com\t tracker.example.net #both\n::\tsix.example.org\n127.0.0.1 LOOP.example.org"
        let list = try Self.read(("hosts", text))
        #expect(list.lists == [expected("hosts", entries: 4, lines: 9)])
        for (url, line) in [
            ("http://ads.example.com/", 9), ("https://ADS.example.com.:8443/x", 9), ("http://tracker.example.net", 9),
            ("http://six.example.org/", 10), ("http://loop.example.org/", 11),
        ] { #expect(try match(list, url) == "hosts:\(line)", "\(url)") }
        // A host is not what is below it, nor above.
        for url in ["http://x.ads.example.com/", "http://example.com/", "http://localhost/", "http://0.0.0.0/"] {
            #expect(try match(list, url) == nil, "\(url)")
        }
    }

    /// A wrong name takes nothing from those beside it. The first one is told, and not those that no link can lead to.
    @Test func wrongNamesInHostsFiles() throws {
        let good = (0..<20).map { "0.0.0.0 good\($0).example\n" }.joined()
        let list = try Self.read(
            (
                "hosts",
                good + "0.0.0.0 a.example BAD..example evil.example x/y also.example\n0.0.0.0 raypаl.com b.example\n"
                    + "0.0.0.0 raypаl.com not..one c.example"
            ))
        let wrong = [21, 23].map { WrongLine(line: $0, reason: .destination(.hostLength(at: 7))) }
        #expect(list.lists == [expected("hosts", entries: 25, lines: 23, wrong: wrong)])
        for (name, line) in [("a", 21), ("evil", 21), ("also", 21), ("b", 22), ("c", 23)] {
            #expect(try match(list, "http://\(name).example/") == "hosts:\(line)", "\(name)")
        }
    }

    private func expected(_ name: String, entries: Int, lines: Int, wrong: [WrongLine] = []) -> BlockList.Figures {
        var figures = BlockList.Figures(name: name)
        (figures.entries, figures.lines, figures.wrongLines, figures.told) = (entries, lines, wrong.count, wrong)
        return figures
    }

    @Test func domains() throws {
        let list = try Self.read(
            (
                "plain",
                "[Adblock Plus]\n! c\n; c\nevil.example\n*.wild.example\n.dot.example\n||adblock.example^\n*.zip\n"
                    + "bücher.example # a comment\n192.0.2.7\n2001:db8::7\n||192.0.2.9^"
            ))
        #expect(list.lists == [expected("plain", entries: 9, lines: 9)])
        for (url, line) in [
            ("http://evil.example/", 4), ("https://a.b.c.evil.example:99/p", 4), ("http://wild.example", 5),
            ("http://x.wild.example", 5), ("http://x.dot.example", 6), ("http://x.adblock.example/", 7),
            ("http://any.thing.zip/", 8), ("http://www.xn--bcher-kva.example/", 9), ("http://192.0.2.7/", 10),
            ("http://0xc0000207/", 10), ("http://[2001:db8:0::7]/", 11), ("http://192.0.2.9:81/", 12),
        ] { #expect(try match(list, url) == "plain:\(line)", "\(url)") }
        for url in [
            "http://notevil.example/", "http://example/", "http://evil.example.com/", "http://7.192.0.2.7.example/",
            "http://192.0.2.8/", "http://[2001:db8::8]/",
        ] { #expect(try match(list, url) == nil, "\(url)") }
    }

    @Test func prefixes() throws {
        let list = try Self.read(
            (
                "urls",
                "https://sites.example/evil/\nsites.example/b%61d?id=7\nhttp://192.0.2.1:8080/bin.sh\n"
                    + "host.example:8443\nwhole.example/\n[2001:db8::1]/x\nquery.example?a"
            ))
        #expect(list.lists == [expected("urls", entries: 7, lines: 7)])
        for (url, line) in [
            ("http://sites.example/evil/", 1), ("https://sites.example/evil/x?y", 1),
            ("https://sites.example/x/../%65vil/", 1), ("http://sites.example/bad?id=7", 2),
            ("http://sites.example/bad?id=77#f", 2), ("http://192.0.2.1:8080/bin.sh", 3),
            ("https://host.example:8443/any", 4), ("http://whole.example/any", 5), ("http://[2001:db8::1]/xyz", 6),
            ("http://query.example/?abc", 7),
        ] { #expect(try match(list, url) == "urls:\(line)", "\(url)") }
        for url in [
            "http://sites.example/evil", "http://sites.example/", "http://www.sites.example/evil/",
            "http://sites.example/Evil/", "http://192.0.2.1/bin.sh", "http://host.example/", "http://sites.example/bad",
            "http://sites.example:81/evil/", "http://sub.whole.example/",
        ] { #expect(try match(list, url) == nil, "\(url)") }
    }

    /// Other spellings that a server takes for the same, of the entry and of the URL.
    @Test func prefixesOtherwiseSpelt() throws {
        let list = try Self.read(
            (
                "urls",
                "medium.example/@spammer/\nother.example/%40spammer/\nsites.example/evil/\nslashes.example//evil//\n"
                    + "stars.example/%2A"
            ))
        for (url, line) in [
            ("https://medium.example/%40spammer/x", 1), ("https://medium.example/@spammer/x", 1),
            ("https://other.example/@spammer/x", 2), ("https://other.example/%40spammer/x", 2),
            ("http://sites.example//evil/", 3), ("http://sites.example/evil///x", 3),
            ("http://slashes.example/evil/x", 4), ("http://stars.example/*", 5), ("http://stars.example/%2a/x", 5),
        ] { #expect(try match(list, url) == "urls:\(line)", "\(url)") }
        for url in [
            "http://medium.example/%2540spammer/", "http://sites.example/%2Fevil/", "http://sites.example/?/evil/",
        ] { #expect(try match(list, url) == nil, "\(url)") }
    }

    /// The visitor's query may make a URL of a destination without one that a prefix begins.
    @Test func forwardedQueries() throws {
        let list = try Self.read(
            ("urls", "a.example/p?id=7\na.example/p?id=8\nb.example?x\nc.example/p\nd.example:81/?y\nc.example/p?z"))
        for (url, line) in [
            ("http://a.example/p", 1), ("https://a.example//p?#f", 1), ("http://b.example", 3),
            ("http://d.example:81", 5),
        ] {
            #expect(try match(list, url, forwardsQuery: true) == "urls:\(line)", "\(url)")
            #expect(try match(list, url) == nil, "\(url)")
        }
        for forwardsQuery in [false, true] {
            for (url, line) in [
                ("http://a.example/p?id=8&x", 2), ("http://c.example/p", 4), ("http://c.example/px", 4),
            ] { #expect(try match(list, url, forwardsQuery: forwardsQuery) == "urls:\(line)", "\(url)") }
            for url in [
                "http://a.example/", "http://a.example/p/", "http://a.example/pp", "http://a.example/p?x=1",
                "http://a.example:81/p", "http://d.example/",
            ] { #expect(try match(list, url, forwardsQuery: forwardsQuery) == nil, "\(url)") }
        }
    }

    /// A prefix with a query takes no more memory than another.
    @Test func memoryOfQueries() throws {
        func text(_ number: Int) -> String { "host-\(number).example/page?id=\(number)" }
        let list = try Self.read(("list", (0..<5000).map(text).joined(separator: "\n")))
        #expect(list.entryCount == 5000 && list.sizeBytes <= 44 * 5000 + 64)
        var wrong = 0
        for number in 0..<5000 {
            if try match(list, "http://" + text(number)) != "list:\(number + 1)" { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    /// The first list names what two have, and of a name the domain is what counts.
    @Test func severalLists() throws {
        let list = try Self.read(
            ("a", "0.0.0.0 x.example\ny.example/path"), ("b", "x.example\ny.example\nz.example"), ("c", "z.example"))
        #expect(list.lists.map(\.name) == ["a", "b", "c"] && list.entryCount == 6)
        #expect(try match(list, "http://x.example/") == "b:1", "the wider entry")
        #expect(try match(list, "http://sub.x.example/") == "b:1")
        #expect(try match(list, "http://y.example/path") == "b:2")
        #expect(try match(list, "http://z.example/") == "b:3")
    }

    @Test(arguments: [
        ("no list at all", WrongLine.Reason.severalWords), ("192.0.2.1 real.example", .severalWords),
        ("word", .singleLabel), ("12345", .address), ("192.0.2.1.", .address), ("192.0.2.0/24", .addressRange),
        ("||a.example^$third-party", .rule),
        ("||a.example/path^", .rule), ("a.example##.ad", .rule), ("https://a.example/#x", .rule),
        ("0.0.0.0 a.example/x", .rule), ("a.example/*", .pattern), ("http://*.a.example/x", .pattern),
        ("*.a.example/x*", .pattern), ("a.example/?q=*&x", .pattern), ("http://u:p@a.example/x", .userinfo),
        ("user@a.example/x", .userinfo), ("user@a.example", .userinfo), ("0.0.0.0 user@a.example", .userinfo),
        ("*.*.example", .destination(.hostCharacter(at: 7))),
        ("a..example", .destination(.hostLength(at: 7))), ("http://a.example:x/", .destination(.port(at: 17))),
        ("\u{0}\u{1}", .destination(.controlCharacter(at: 7))),
        (String(repeating: "a", count: BlockListLimits.lineBytes + 1), .tooLong),
    ])
    func wrongLines(line: String, reason: WrongLine.Reason) throws {
        let good = (0..<9).map { "good\($0).example\n" }.joined()
        let list = try Self.read(("list", good + line))
        #expect(list.lists == [expected("list", entries: 9, lines: 10, wrong: [WrongLine(line: 10, reason: reason)])])
        #expect(!reason.description.isEmpty)
        let refusal = BlockListError.manyWrongLines(wrong: 1, of: 9, first: [WrongLine(line: 9, reason: reason)])
        #expect(throws: refusal) { try Self.read(("list", good.dropLast("good8.example\n".count) + line)) }
        #expect(refusal.description.contains("line 9"))
    }

    /// What no link can lead to is passed over: it is no sign of another kind of file.
    @Test func unreachable() throws {
        let list = try Self.read(("list", "ftp://a.example/x\nraypаl.com\na.example"))
        #expect(list.lists == [expected("list", entries: 1, lines: 3)])
    }

    @Test func tellsTheFirstTen() throws {
        let text = (0..<20).map { "word\($0)\n" }.joined() + (0..<180).map { "a\($0).example\n" }.joined()
        let figures = try Self.read(("list", text)).lists[0]
        #expect(figures.wrongLines == 20 && figures.told.map(\.line) == Array(1...10))
        #expect(try Self.read(("empty", ""), ("comments", "# x\n\n!y")).isEmpty)
    }

    /// Comments, order and the table's key make no difference; an entry, its kind and the list's name do.
    @Test func fingerprint() throws {
        let one = try Self.read(("a", "x.example\ny.example/p\n")).fingerprint
        #expect(one == (try Self.read(("a", "# c\ny.example/p\nX.example.")).fingerprint))
        for other in ["x.example", "0.0.0.0 x.example\ny.example/p", "x.example\ny.example/q", ""] {
            #expect(one != (try Self.read(("a", other)).fingerprint), "\(other)")
        }
        #expect(one != (try Self.read(("b", "x.example\ny.example/p\n")).fingerprint))
        #expect(try Self.read(("a", "")).fingerprint == 0)
    }

    @Test func agreesWithASet() throws {
        var random = SeededRandom(seed: 7)
        let names = (0..<3000).map { _ in "n\(Int.random(in: 0..<100_000, using: &random)).example" }
        let list = try Self.read(("list", names.joined(separator: "\n")))
        let set = Set(names)
        for number in 0..<100_000 where number % 7 == 0 || set.contains("n\(number).example") {
            let name = "n\(number).example"
            #expect(try match(list, "http://\(name)/") != nil || !set.contains(name))
            if !set.contains(name) { #expect(try match(list, "http://\(name)/") == nil, "\(name)") }
        }
    }

    /// At most 64 bytes an entry at any size, and none that is allocated to look one up.
    @Test func memory() throws {
        var list = BlockList()
        list.lists.append(BlockList.Figures(name: "list"))
        var url = NormalisedURL()
        var text = Array("http://host-00000000.example/".utf8)
        for number in 0..<200_000 {
            var rest = number
            for place in stride(from: 19, through: 12, by: -1) {
                text[place] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            try url.read(text)
            list.add(.domain, url, line: number)
            if number > 1000 { precondition(list.sizeBytes <= 64 * (number + 1)) }
        }
        #expect(list.entryCount == 200_000 && list.sizeBytes <= 64 * 200_000)
        let listed = url
        var other = NormalisedURL()
        try other.read(Array("http://a.b.c.elsewhere.example/path?query".utf8))
        _ = (list.find(listed), list.find(other))
        CountedAllocator.watchThisThread()
        var found = 0
        for _ in 0..<1000 where list.find(other) != nil { found += 1 }
        #expect(CountedAllocator.stop() == 0 && found == 0)
        #expect(list.find(listed) != nil)
    }

    /// The same once the list is whole, of prefixes too, each with a host of its own; nothing is lost on the way, and nothing
    /// is there that was not. Some sizes lie where the table grows.
    @Test(arguments: [0, 1, 2, 3, 5, 24, 25, 36, 37, 48, 49, 72, 73, 700, 5000, 100_000])
    func memoryOnceRead(count: Int) throws {
        func name(_ number: Int) -> String { "host-\(number).example" }
        for (suffix, mostBytes) in [("/evil/", 44), ("", 23)] {
            var reader = BlockListReader()
            reader.begin("list")
            for number in 0..<count { try reader.read(Array("\(name(number))\(suffix)\n".utf8)) }
            try reader.end()
            let list = reader.finish()
            // What an array itself has, and a first place.
            #expect(list.entryCount == count && list.sizeBytes <= mostBytes * count + 64)
            var (url, wrong) = (NormalisedURL(), 0)
            for number in 0..<2 * count + 2 {
                try url.read(Array("http://\(name(number))/evil/".utf8))
                if list.find(url)?.line != (number < count ? number + 1 : nil) { wrong += 1 }
                try url.read(Array("http://\(name(number))/good/".utf8))
                if (list.find(url) != nil) != (number < count && suffix.isEmpty) { wrong += 1 }
            }
            #expect(wrong == 0)
        }
    }

    /// A table that has no room left takes more all the same.
    @Test func growsFromNothing() throws {
        var list = BlockList()
        list.compact()
        list.lists.append(BlockList.Figures(name: "list"))
        var url = NormalisedURL()
        for number in 0..<500 {
            try url.read(Array("http://host-\(number).example/".utf8))
            #expect(list.find(url) == nil)
            list.add(.domain, url, line: number)
            if number % 7 == 0 { list.compact() }
            #expect(list.find(url)?.line == number)
        }
    }

    @Test func refusedDestinations() throws {
        let lists = BlockLists()
        let policy = try DestinationPolicy(blockLists: lists)
        _ = try Destination("http://evil.example/", policy: policy)
        lists.replace(with: try Self.read(("list", "evil.example")))
        #expect(throws: DestinationError.blockListed) { try Destination("https://www.evil.example/x", policy: policy) }
        #expect(throws: DestinationError.blockListed) {
            try Destination("https://evil.example/", policy: policy.allowingPrivate(true))
        }
        #expect(throws: DestinationError.privateAddress(at: 7)) { try Destination("http://10.0.0.1", policy: policy) }
        _ = try Destination("https://good.example/", policy: policy)
        #expect(lists.refusedCount == 2 && DestinationError.blockListed.kind == .refused)
        #expect(!DestinationError.blockListed.description.contains("list"))
        lists.replace(with: BlockList())
        _ = try Destination("http://evil.example/", policy: policy)
    }

    /// The fuzzer's checks on some inputs of its corpus' kind.
    @Test func fuzzed() {
        for text in [
            "0.0.0.0 a.example\n||b.example^\nhttp://c.example/%2e%2e/x?y#z\n", "a\nb\nc", "\u{FEFF}a.example\r\n",
            "http://1.2.3.4:8080/x\n[::1]/y\n2001:db8::1\n*.zip",
            "a.example/*\nb.example/%2a\nhttp://u:p@c.example/x\nuser@d.example/", "b.example/%2a?%2A",
        ] { fuzzBlockLists(Array(text.utf8).span.bytes) }
    }
}
