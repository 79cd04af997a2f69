import HTTP

extension Message {
    /// Whether the body says of itself that it is JSON, and is not compressed.
    var hasJSONBody: Bool {
        guard let type = value(of: .contentType), !head.has(.contentEncoding) else { return false }
        return Array(type.utf8).withUnsafeBytes { MediaType.matches($0.bytes, "application/json") }
    }
}
