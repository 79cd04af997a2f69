/// What a request may be at most. Each limit is applied as soon as it is crossed, whether or not the rest has come.
package enum Limits {
    /// A method's name; a longer one is 501 (RFC 9112 3).
    package static let methodBytes = 32
    /// The request target; a longer one is 414.
    package static let targetBytes = 8192
    /// A request line with its CRLF: method, two spaces, target, `HTTP/1.1`. A longer one is 414.
    package static let requestLineBytes = methodBytes + 1 + targetBytes + 1 + 8 + 2
    /// A whole head, with the empty lines before and after; offsets into it fit in 16 bits. A longer one is 431.
    package static let headBytes = 65_536
    /// Field lines of a head; more are 431.
    package static let fields = 100
    /// A body, however it is framed; a longer one is 413.
    package static let bodyBytes = 4 << 20
    /// A chunk's size with its extensions and CRLF; a longer line is 400.
    package static let chunkLineBytes = 256
    /// Chunk lines of one body beyond 16 bytes each: what extensions may add up to. More is 400.
    package static let chunkExtensionBytes = 16_384
    /// The trailer section with its empty line; a longer one is 431.
    package static let trailerBytes = 8192
    /// Field lines of a trailer section; more are 431.
    package static let trailers = 100
    /// What a chunk line costs that has no extension; not counted as one.
    package static let plainChunkLineBytes = 16
    /// Elements of a list in one field's value that are looked at (RFC 9110 5.6.1.2, "a reasonable number").
    package static let listElements = 256
}
