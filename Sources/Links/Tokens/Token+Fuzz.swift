import Primitives

/// Reads `bytes` as a token's text, and as what stands before the MAC; traps where either reads what is not written so.
package func fuzzTokens(_ bytes: RawSpan) {
    let key = TokenKey { unsafe SipHash.hash24($0.span.bytes, key0: 1, key1: 2) }
    if let token = Token(bytes, key) { precondition(token.text(key) == [UInt8](bytes)) }
    if let decoded = Base64URL.decode(bytes) {
        var text: [UInt8] = []
        Base64URL.encode(decoded, into: &text)
        precondition(text == [UInt8](bytes))
    }
    guard let token = Token(payload: [UInt8](bytes)) else { return }
    let text = token.text(key)
    precondition(Token.lengths.contains(text.count))
    let again = unsafe Token(text.span.bytes, key)
    precondition(again == token)
    var merged = token
    merged.merge(token.positions)
    precondition(merged == token)
}
