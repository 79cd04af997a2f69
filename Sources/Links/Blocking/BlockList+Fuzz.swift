import Primitives

/// For a fuzzer: reads `bytes` as a block list, whole and in pieces; traps if the two differ, if a line that makes an entry
/// does not block what it names, or if a URL's one spelling is not read as itself.
package func fuzzBlockLists(_ bytes: RawSpan) {
    let bytes = [UInt8](bytes)
    let whole = readAll(bytes) { .max }
    var random = SeededRandom(seed: bytes.reduce(0) { $0 &* 31 &+ UInt64($1) })
    for longest in [1, 7, 64] {
        let pieces = readAll(bytes) { Int.random(in: 1...longest, using: &random) }
        switch (whole, pieces) {
        case (.success(let left), .success(let right)):
            precondition(left.fingerprint == right.fingerprint && left.lists == right.lists)
        case (.failure(let left), .failure(let right)): precondition(left == right && !left.description.isEmpty)
        default: preconditionFailure("what is read depends on the pieces")
        }
    }
    for line in bytes.split(separator: 0x0A) { checkInvariants(of: Array(line)) }
}

private func readAll(_ bytes: [UInt8], nextSize: () -> Int) -> Result<BlockList, BlockListError> {
    var reader = BlockListReader()
    var rest = bytes[...]
    do throws(BlockListError) {
        reader.begin("list")
        while !rest.isEmpty {
            let piece = rest.prefix(nextSize())
            try reader.read(Array(piece))
            rest = rest[piece.endIndex...]
        }
        try reader.end()
        return .success(reader.finish())
    } catch {
        return .failure(error)
    }
}

private func checkInvariants(of line: [UInt8]) {
    let expressions = LookupExpressions(line)
    precondition(1...30 ~= expressions.expressions.count && Set(expressions.expressions).count <= 30)
    precondition(expressions.url.allSatisfy { $0 > 0x20 && $0 < 0x7F })
    let hasScheme = line.firstIndex(of: ASCII.colon).map { line[$0...].starts(with: "://".utf8) } ?? false
    for start in hasScheme ? [""] : ["http://"] {
        guard let destination = try? Destination(Array(start.utf8) + line, policy: .everywhere) else { continue }
        var url = NormalisedURL()
        precondition((try? url.read(destination.bytes)) != nil, "a destination is no URL")
        if url.bytes.first != UInt8(ascii: "[") {
            var again = NormalisedURL()
            precondition((try? again.read(Array("http://".utf8) + url.bytes)) != nil && again.bytes == url.bytes)
        }
        guard case .success(let list) = readAll(line, nextSize: { .max }), list.entryCount == 1,
            !line.contains(where: { [0x09, 0x0D, 0x20].contains($0) })
        else { continue }
        for forwardsQuery in [false, true] {
            let match = list.find(url, forwardsQuery: forwardsQuery)
            precondition(match == BlockMatch(list: "list", line: 1), "what is listed is not found")
        }
    }
}
