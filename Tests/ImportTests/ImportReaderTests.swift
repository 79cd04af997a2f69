import Primitives
import Testing

@testable import Import

struct ImportReaderTests {
    /// Where an input is cut does not matter, nor where reading resumes.
    @Test(arguments: Samples.all) func everySplit(format: ImportFormat, text: String) throws {
        let bytes = Array(text.utf8)
        let whole = try rows(format, bytes)
        for split in 0...bytes.count {
            var reader = ImportReader(format)
            let read = try reader.read(Array(bytes[..<split])) + reader.read(Array(bytes[split...])) + reader.finish()
            #expect(read == whole, "cut at \(split)")
        }
        #expect(try ImportReader.readAll(format, bytes, nextSize: { 1 }).get() == whole)
        for row in whole {
            let resumed = try ImportReader.readAll(format, bytes, resumingBehind: row.end).get()
            #expect(resumed == whole.filter { $0.end > row.end })
        }
    }

    /// An input that ends anywhere gives the rows before, and what is left is a row as well, or is told, or was
    /// nothing.
    @Test(arguments: Samples.all) func everyEnd(format: ImportFormat, text: String) throws {
        let bytes = Array(text.utf8)
        let whole = try rows(format, bytes)
        for end in 0..<bytes.count {
            guard case .success(let read) = ImportReader.readAll(format, Array(bytes[..<end])) else { continue }
            let complete = whole.filter { $0.end <= end }
            #expect(read.starts(with: complete), "cut at \(end)")
            #expect(read.count <= complete.count + 1, "cut at \(end)")
        }
    }

    @Test func ends() throws {
        #expect(try rows(.csv, "url\r\na\r\nb").map(\.end) == [8, 9])
        #expect(try rows(.ndjson, "{}\r\n\n{}").map(\.end) == [4, 7])
        #expect(try rows(.yourls, "INSERT INTO url VALUES ('a'),\n('b');").map(\.end) == [28, 35])
        #expect(try rows(.csv, "url\n\"a\nb\"\nc\n").map(\.line) == [2, 4])
    }

    @Test(arguments: Samples.all) func fuzzChecks(format: ImportFormat, text: String) {
        unsafe fuzzImports(Array(text.utf8).span.bytes)
    }

    @Test func randomBytes() {
        var random = SeededRandom(seed: 7)
        let pieces = Samples.all.map { Array($0.1.utf8) }
        for _ in 0..<60 {
            var bytes = pieces.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                bytes[place] = [0x22, 0x27, 0x0A, 0x5C, 0x2C, 0x28, 0x29, 0xFF, 0x00, 0x3B].randomElement(
                    using: &random)!
            }
            unsafe fuzzImports(bytes.span.bytes)
        }
    }

    @Test func messages() {
        let refusals: [ImportRefusal] = [
            .tooLong, .notUTF8, .truncated, .noLongURL, .tooLongValue("title", limitBytes: 4096), .tooManyTags,
            .time("timestamp"), .boolean("Is active"), .misplacedQuote, .columns(2, header: 3), .tooManyValues,
            .json(.malformed(at: 3)), .noObject, .member("tags", wanted: "an array of strings"),
            .unknownMember("a\u{202E}b"),
            .codesDiffer, .codeSegments("a/b"), .template, .malformedStatement, .expression, .hexadecimal,
        ]
        #expect(Set(refusals.map(\.message)).count == refusals.count)
        #expect(refusals.allSatisfy { $0.message.hasSuffix(".") })
        #expect(ImportRefusal.unknownMember("a\u{202E}b").message == "\"a\u{FFFD}b\" is no member of a link.")
        #expect(ImportRefusal.json(.malformed(at: 3)).message == "The line is not JSON from byte 3 on.")
    }
}
