import Primitives
import Testing

@testable import Import

struct CSVWritingTests {
    private func table(_ links: [ImportedLink]) -> [UInt8] {
        var table: [UInt8] = []
        table.appendCSVHeader()
        for link in links { table.append(csv: link) }
        return table
    }

    @Test func form() {
        var link = ImportedLink(
            "https://example.com/a,b", "-abc", title: "=1+1 \"x\"", tags: ["a", "b"], created: "2021-03-04T05:06:07.8Z",
            owner: "ops")
        link.isActive = false
        #expect(
            String(decoding: table([link]), as: UTF8.self) == """
                Long URL,Short code,Title,Tags,Created at,Expires at,Owner,Forward query,Is active\r
                "https://example.com/a,b",'-abc,"'=1+1 ""x""\",a|b,2021-03-04T05:06:07.800Z,,ops,false,false\r

                """)
    }

    /// Values and tags out of what a table could take for something else, in every order.
    @Test(arguments: 0..<8) func comesBack(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let parts = [
            "a", "é", "\u{301}", "\"", "'", ",", ";", "|", "[", "]", "\\", "\n", "\r", "\r\n", "\t", " ", "=", "+", "-",
            "@", "\u{FEFF}", "\0", "true", "{", "\u{2028}",
        ]
        func value(_ longest: Int) -> String {
            (0..<Int.random(in: 0...longest, using: &random)).map { _ in parts.randomElement(using: &random)! }.joined()
        }
        var links: [ImportedLink] = []
        for _ in 0..<500 {
            var link = ImportedLink("x" + value(6), title: value(6), owner: value(3))
            link.code = value(4)
            link.tags = (0..<Int.random(in: 0...4, using: &random)).map { _ in value(3) }
            link.createdAt =
                Bool.random(using: &random) ? Instant(milliseconds: .random(in: 0...1 << 47, using: &random)) : nil
            link.expiresAt = link.createdAt?.advanced(byMilliseconds: 1)
            link.forwardsQuery = .random(using: &random)
            link.isActive = .random(using: &random)
            links.append(try link.checked())
        }
        let again = try rows(.csv, table(links))
        for (link, row) in zip(links, again) {
            #expect(row.result == .success(link), "seed \(seed)")
            // Strings compare by what they look like; these must be the same to the byte.
            if case .success(let read) = row.result {
                #expect(read.title?.utf8.elementsEqual(link.title!.utf8) != false)
            }
        }
        #expect(again.count == links.count, "seed \(seed)")
    }

    /// The longest values that are taken, of what takes most bytes to write, make a row that is taken.
    @Test(arguments: ["\"", "\u{1}", "\\", "="]) func longestRow(filling: String) throws {
        func full(_ bytes: Int) -> String { String(repeating: filling, count: bytes) }
        var link = ImportedLink(
            full(ImportLimits.longURLBytes), full(ImportLimits.codeBytes), title: full(ImportLimits.titleBytes),
            created: "2021-03-04T05:06:07.891Z", expires: "2021-03-04T05:06:07.891Z",
            owner: full(ImportLimits.ownerBytes))
        link.tags = Array(repeating: full(ImportLimits.tagBytes), count: ImportLimits.tags)
        #expect(try rows(.csv, table([link.checked()])).map(\.result) == [.success(link)])
    }

    @Test func nothingBeginsAsAFormula() throws {
        for start in ["=", "+", "-", "@", "\t", "\r", "'=", "''@"] {
            let link = ImportedLink(
                "\(start)u", "\(start)c", title: "\(start)t", tags: ["\(start)a"], owner: "\(start)o")
            let bytes = table([link])
            let row = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")[1]
            for cell in row.split(separator: ",") {
                #expect(!"=+-@\t\r".contains(cell.drop { $0 == "\"" }.first!), "\(row)")
            }
            #expect(try rows(.csv, bytes).map(\.result) == [.success(link)])
        }
    }
}
