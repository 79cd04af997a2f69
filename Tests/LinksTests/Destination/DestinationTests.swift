import Links
import Primitives
import Testing

private let policy = try! DestinationPolicy(
    ownHosts: ["edge.example", "kürz.example:8080", "https://1.1.1.1/", "[2606:4700::1]:443"])
private let intranet = try! DestinationPolicy(allowPrivate: true)

private func outcome(_ text: String, _ policy: DestinationPolicy) -> Result<String, DestinationError> {
    do throws(DestinationError) {
        return .success(String(decoding: try Destination(text, policy: policy).bytes, as: UTF8.self))
    } catch {
        return .failure(error)
    }
}

@Suite struct DestinationTests {
    // Loops rather than arguments: a report of thousands of cases, some of which reorder it, helps nobody.
    @Test func validURIsAreKept() {
        for text in untouched { #expect(outcome(text, policy) == .success(text)) }
    }

    @Test func othersAreEncoded() {
        for (text, location) in encoded {
            #expect(outcome(text, policy) == .success(location))
            #expect(outcome(location, policy) == .success(location))
        }
    }

    @Test func noURL() {
        for (text, error) in malformed {
            #expect(outcome(text, policy) == .failure(error), "\(text.debugDescription)")
            #expect(outcome(text, intranet) == .failure(error), "\(text.debugDescription)")
            #expect(error.kind == .malformed)
        }
    }

    @Test func notForALink() {
        for (text, error) in refused {
            #expect(outcome(text, policy) == .failure(error), "\(text.debugDescription)")
            #expect(error.kind == .refused)
        }
    }

    @Test func privateAddressesInEverySpelling() {
        for host in privateAddresses {
            for (text, offset) in [("http://\(host)", 7), ("HTTPS://\(host)/p?q#f", 8)] {
                #expect(outcome(text, policy) == .failure(.privateAddress(at: offset)), "\(text)")
                #expect(throws: Never.self, "\(text)") { try Destination(text, policy: intranet) }
            }
        }
    }

    @Test func intranetNamesWhenAllowed() {
        for (text, error) in refused {
            guard case .privateName = error else { continue }
            #expect(throws: Never.self) { try Destination(text, policy: intranet) }
        }
    }

    @Test func everyErrorExplainsItself() {
        for (text, error) in malformed + refused where text.count > 12 {
            #expect(!error.description.contains(text) && error.description.hasSuffix("."))
            #expect((error.offset ?? 0) <= text.utf8.count)
        }
        #expect(DestinationError.tooLong(sizeBytes: 3000).kind == .refused)
        #expect(
            DestinationError.port(at: 19).description
                == "The port must be a number from 0 to 65535 in digits (at byte 19).")
    }

    @Test func lengthOfInputAndResult() {
        let start = "http://example.com/"
        let longest = start + String(repeating: "a", count: Destination.maxSizeBytes - start.count)
        #expect(outcome(longest, policy) == .success(longest))
        #expect(outcome(longest + "a", policy) == .failure(.tooLong(sizeBytes: 2049)))
        let grows = start + String(repeating: "é", count: 339)
        #expect(outcome(grows, policy) == .failure(.tooLong(sizeBytes: 19 + 339 * 6)))
        let label = String(repeating: "a", count: 63)
        let name = "\(label).\(label).\(label).\(label.dropLast(2))"
        #expect(outcome("http://\(name)./", policy) == .success("http://\(name)./"))
        #expect(outcome("http://\(name)a/", policy) == .failure(.hostLength(at: 7)))
    }

    @Test func bytesThatAreNoText() {
        let start = Array("http://example.com/".utf8)
        for bytes: [UInt8] in [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]] {
            #expect(throws: DestinationError.notUTF8) { try Destination(start + bytes, policy: policy) }
        }
    }

    @Test func ownHostsMustBeHosts() {
        #expect(throws: DestinationError.hostCharacter(at: 8)) { try DestinationPolicy(ownHosts: ["a b"]) }
        #expect(throws: DestinationError.missingHost(at: 7)) { try DestinationPolicy(ownHosts: [""]) }
    }
}
