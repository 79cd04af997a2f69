import Primitives

/// Takes what stands before the first line feed of `bytes` as a URL, and what stands behind it as a visitor's query. Traps
/// if the URL that they make breaks what each promises. For fuzzers and tests.
package func fuzzQueries(_ bytes: RawSpan) {
    let text = [UInt8](bytes)
    let end = text.firstIndex(of: 0x0A) ?? text.count
    let (url, query) = (Array(text[..<end]), Array(text[end...].dropFirst()))
    let result = ForwardedQuery.appended(query, to: url)
    let (base, fragment) = (url.prefix { $0 != ASCII.hash }, url.drop { $0 != ASCII.hash })
    precondition(result == url || result.count <= ForwardedQuery.urlBytes)
    precondition(result.starts(with: base) && result.suffix(fragment.count) == fragment)
    let added = result[base.count..<result.count - fragment.count]
    precondition(added.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != ASCII.hash }, "a byte that ends a URL or a line")
    // Each key of the query is there now.
    precondition(result == url || ForwardedQuery.appended(query, to: result) == result)
}

extension ForwardedQuery {
    /// The URL that `append` makes, in memory of its own.
    static func appended(_ query: [UInt8], to url: [UInt8]) -> [UInt8] {
        var room = url + [UInt8](repeating: 0, count: urlBytes)
        var span = room.mutableSpan
        var bytes = unsafe span.mutableBytes
        let count = unsafe append(query.span.bytes, to: &bytes, count: url.count)
        return Array(room[..<count])
    }
}
