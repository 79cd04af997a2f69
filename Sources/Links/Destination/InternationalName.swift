import CIDN

/// Host names beyond ASCII: UTS 46, non-transitional, by libidn2, which follows IDNA 2008. Two of its ways are mended:
/// `IDN2_USE_STD3_ASCII_RULES` silently drops characters, so it stays off and the outcome is checked instead; and
/// symbols such as emoji, which browsers take, are tried again in its transitional mode.

/// The ASCII form of a host name in UTF-8 that holds other characters, or percent-encodings by now decoded. It is yet
/// to be checked like a name that came in ASCII.
func asciiName(_ name: [UInt8], at offset: Int) throws(DestinationError) -> [UInt8] {
    guard let string = String(validating: name, as: UTF8.self) else { throw .internationalName(at: offset) }
    var label: [Unicode.Scalar] = []
    var result: [UInt8] = []
    for scalar in string.unicodeScalars {
        if isHidden(scalar) { throw .invisibleCharacter(at: offset) }
        switch scalar {
        case ".", "\u{3002}", "\u{ff0e}", "\u{ff61}":
            result += try asciiLabel(label, at: offset) + [ASCII.dot]
            label = []
        case "\0": throw .hostCharacter(at: offset)
        default: label.append(scalar)
        }
    }
    return result + (try asciiLabel(label, at: offset))
}

private func asciiLabel(_ label: [Unicode.Scalar], at offset: Int) throws(DestinationError) -> [UInt8] {
    if label.allSatisfy(\.isASCII) { return label.map { ASCII.lowercased(UInt8($0.value)) } }
    if case .valid(let ascii) = mapped(label) { return ascii }
    if case .symbols(let ascii) = mapped(label) { return ascii }
    throw .internationalName(at: offset)
}

/// Whether a label is an A-label. `label` is in lower case.
func isPunycode(_ label: ArraySlice<UInt8>) -> Bool {
    label.count >= 4 && label.starts(with: [0x78, 0x6e, 0x2d, 0x2d])
}

/// Throws unless every label of `name` (ASCII, lower case) is valid in itself, with its neighbours (RFC 5893), and is of
/// one script.
func checkInternationalName(_ name: [UInt8], at offset: Int) throws(DestinationError) {
    let labels = name.split(separator: ASCII.dot)
    var decoded: [[Unicode.Scalar]] = []
    for label in labels {
        guard isPunycode(label) else {
            decoded.append(label.map { Unicode.Scalar($0) })
            continue
        }
        guard let scalars = unicodeLabel(label) else { throw .internationalName(at: offset) }
        decoded.append(scalars)
    }
    let isRightToLeft = decoded.joined().contains { BidiClass($0).isRightToLeft }
    for (label, scalars) in zip(labels, decoded) {
        guard !isRightToLeft || isValidInRightToLeftName(scalars) else { throw .internationalName(at: offset) }
        guard isPunycode(label) else { continue }
        guard areOfOneScript(scalars), !imitatesLatin(scalars, in: labels) else { throw .mixedScripts(at: offset) }
    }
}

/// What an A-label stands for; nil unless that is valid and has just this A-label.
private func unicodeLabel(_ label: ArraySlice<UInt8>) -> [Unicode.Scalar]? {
    var output: UnsafeMutablePointer<UInt32>?
    let input = label.map { CChar(bitPattern: $0) } + [0]
    // Safety: `input` is terminated; libidn2 allocates `output`, terminated by zero, and it is freed once.
    guard unsafe idn2_to_unicode_8z4z(input, &output, 0) == IDN2_OK.rawValue, let start = unsafe output else {
        return nil
    }
    defer { unsafe idn2_free(start) }
    var scalars: [Unicode.Scalar] = []
    var index = 0
    while unsafe start[index] != 0 {
        guard let scalar = unsafe Unicode.Scalar(start[index]) else { return nil }
        scalars.append(scalar)
        index += 1
    }
    guard !scalars.contains(where: imitatesSyntax) else { return nil }
    switch mapped(scalars) {
    case .valid(let ascii): return ascii.elementsEqual(label) ? scalars : nil
    case .symbols(let ascii):
        return ascii.elementsEqual(label) && scalars.allSatisfy(isLetterOrSymbol) ? scalars : nil
    case .invalid: return nil
    }
}

/// Letters, marks, digits and symbols, but not punctuation.
private func isLetterOrSymbol(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return true }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
        .spacingMark, .enclosingMark, .decimalNumber, .otherSymbol, .modifierSymbol, .mathSymbol, .currencySymbol:
        return true
    default: return false
    }
}

/// What passes for the slash or colon that ends a host, and the three scalars beyond ASCII that STD 3 rules out.
private func imitatesSyntax(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x2044, 0x2215, 0x2216, 0x2236, 0x2571, 0x2572, 0x29f5, 0x29f8, 0x29f9, 0x31d3, 0x2260, 0x226e, 0x226f: true
    default: false
    }
}

private enum Mapped {
    /// Under IDNA 2008.
    case valid([UInt8])
    /// Under UTS 46 only.
    case symbols([UInt8])
    case invalid
}

private func mapped(_ label: [Unicode.Scalar]) -> Mapped {
    let strict = lookup(label, IDN2_NONTRANSITIONAL.rawValue | IDN2_NFC_INPUT.rawValue)
    if let ascii = strict.ascii { return .valid(ascii) }
    // The characters that the transitional mode maps differently: sharp s, final sigma, the joiners.
    let deviations: [Unicode.Scalar] = ["\u{df}", "\u{1e9e}", "\u{3c2}", "\u{200c}", "\u{200d}"]
    guard strict.result == IDN2_DISALLOWED.rawValue, !label.contains(where: deviations.contains),
        let ascii = lookup(label, IDN2_TRANSITIONAL.rawValue).ascii
    else { return .invalid }
    return .symbols(ascii)
}

private func lookup(_ label: [Unicode.Scalar], _ flags: UInt32) -> (result: Int32, ascii: [UInt8]?) {
    var output: UnsafeMutablePointer<UInt8>?
    var text = ""
    text.unicodeScalars.append(contentsOf: label)
    let input = Array(text.utf8) + [0]
    // Safety: `input` is terminated; libidn2 allocates `output`, terminated by zero, and it is freed once.
    let result = unsafe idn2_lookup_u8(input, &output, Int32(flags))
    guard result == IDN2_OK.rawValue, let start = unsafe output else { return (result, nil) }
    defer { unsafe idn2_free(start) }
    var ascii: [UInt8] = []
    while unsafe start[ascii.count] != 0 { ascii.append(unsafe start[ascii.count]) }
    return (result, ascii)
}
