import Primitives

/// Reads `bytes` as a token's text, and as what stands before the MAC; traps where either reads what is not written so.
package func fuzzTokens(_ bytes: RawSpan) {
    let key = TokenKey { unsafe SipHash.hash24($0.span.bytes, key0: 1, key1: 2) }
    if let token = Token(bytes, key) { precondition(token.text(key) == [UInt8](bytes)) }
    fuzzListCursor(bytes, key)
    if let position = ChangePosition(text: bytes) { precondition(position.text.utf8.elementsEqual([UInt8](bytes))) }
    if let position = ChangePosition(payload: [UInt8](bytes)) {
        let again = unsafe ChangePosition(text: Array(position.text.utf8).span.bytes)
        precondition(again == position)
    }
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

/// Reads `bytes` as a cursor's text, and as what stands before the MAC.
private func fuzzListCursor(_ bytes: RawSpan, _ key: TokenKey) {
    let space = CodeSpace(key0: 1, key1: 2, regions: [RegionCharacter(UInt8(ascii: "1"))!])
    let cursor = ListCursor(key, space, owner: Array("owner".utf8))
    if let position = cursor.position(bytes) {
        precondition(cursor.text(of: position).utf8.elementsEqual([UInt8](bytes)))
    }
    guard let position = cursor.position(payload: [UInt8](bytes)) else { return }
    let again = unsafe cursor.position(Array(cursor.text(of: position).utf8).span.bytes)
    precondition(again == position)
}
