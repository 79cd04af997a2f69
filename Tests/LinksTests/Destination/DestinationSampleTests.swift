import Glibc
import Links
import Primitives
import Testing

private let policy = try! DestinationPolicy()

/// As RFC 3986 has it but for a second `#`, said again and in another way.
private func isURI(_ text: String) -> Bool {
    let pieces = text.utf8.split(separator: UInt8(ascii: "%"), omittingEmptySubsequences: false)
    let isEncoded = pieces.dropFirst().allSatisfy {
        $0.count >= 2 && $0.prefix(2).allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
    }
    let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?#".utf8)
    return isEncoded && pieces.joined().allSatisfy(allowed.contains)
}

@Suite struct DestinationSampleTests {
    @Test func realURLsAreKept() throws {
        for text in realURLs { #expect(try Destination(text, policy: policy).bytes == Array(text.utf8), "\(text)") }
    }

    /// The whole list, where it is at hand; all but the few with a user name.
    @Test func everyRealURL() throws {
        guard let text = realURLFile() else {
            print("no shared/data/urls.txt above the sources: the sample alone was tested")
            return
        }
        var encoded = 0
        for line in text.split(separator: "\n").map(String.init) {
            do throws(DestinationError) {
                let bytes = try Destination(line, policy: policy).bytes
                if isURI(line) {
                    #expect(bytes == Array(line.utf8))
                } else {
                    encoded += 1
                    print("\(line) becomes \(String(decoding: bytes, as: UTF8.self))")
                    #expect(isURI(String(decoding: bytes, as: UTF8.self)))
                }
            } catch {
                let authority = line.split(separator: "/").dropFirst().first ?? ""
                #expect(error.isUserinfo && authority.contains("@"), "\(line): \(error)")
            }
        }
        print("real URLs that had to be encoded: \(encoded)")
    }

    private func realURLFile() -> String? {
        var directory = #filePath[...]
        while let slash = directory.lastIndex(of: "/") {
            directory = directory[..<slash]
            guard let file = fopen("\(directory)/shared/data/urls.txt", "r") else { continue }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 16 << 20)
            let count = fread(&bytes, 1, bytes.count, file)
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        return nil
    }

    /// What a mutated URL becomes, it stays.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func idempotent(seed: UInt64) {
        print("seed \(seed)")
        var random = SeededRandom(seed: seed)
        let seeds = untouched + encoded.map(\.0) + malformed.map(\.0) + refused.map(\.0) + realURLs
        let pieces = [
            "%", "%41", "\\", "@", ":", "/", "?", "#", "[", "]", "é", "。", "xn--", ".", "..", " ", "\u{ad}", "א", "ß",
            "1",
            "0x", "❤", "\u{200d}", "A", "-", "_", "\u{301}", "~", "𐤀", "日", "ｅ", "%C3%A9", "|",
        ]
        for _ in 0..<20_000 {
            var bytes = Array(seeds.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let at = Int.random(in: 0...bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0 where at < bytes.count: bytes.remove(at: at)
                case 1 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
                default: bytes.insert(contentsOf: pieces.randomElement(using: &random)!.utf8, at: at)
                }
            }
            fuzzDestination(bytes.span.bytes)
        }
    }

    @Test func costOfAPlainURL() throws {
        let urls = realURLs.filter { (80...112).contains($0.utf8.count) }.map { Array($0.utf8) }
        var total = 0
        let rounds = 2000
        let elapsed = ContinuousClock().measure {
            for _ in 0..<rounds {
                for url in urls { total += (try? Destination(url, policy: policy))?.bytes.count ?? 0 }
            }
        }
        let count = rounds * urls.count
        print("Destination of a plain URL of \(total / count) bytes: \(elapsed / count)")
        #expect(total > 0)
    }
}

extension DestinationError {
    fileprivate var isUserinfo: Bool { if case .userinfo = self { true } else { false } }
}
