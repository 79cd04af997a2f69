import CIDN

/// A character's class in the bidirectional algorithm (UAX 9), as far as host names need it.
enum BidiClass {
    case left, right, arabicLetter, europeanNumber, arabicNumber, neutral, mark, other

    init(_ scalar: Unicode.Scalar) {
        switch Int(uc_bidi_category(scalar.value)) {
        case UC_BIDI_L: self = .left
        case UC_BIDI_R: self = .right
        case UC_BIDI_AL: self = .arabicLetter
        case UC_BIDI_EN: self = .europeanNumber
        case UC_BIDI_AN: self = .arabicNumber
        case UC_BIDI_NSM: self = .mark
        case UC_BIDI_ES, UC_BIDI_CS, UC_BIDI_ET,
            UC_BIDI_ON, UC_BIDI_BN:
            self = .neutral
        default: self = .other
        }
    }

    var isRightToLeft: Bool { self == .right || self == .arabicLetter || self == .arabicNumber }
}

/// The Bidi Rule of RFC 5893 2, for each label of a name that has any right-to-left character.
func isValidInRightToLeftName(_ label: [Unicode.Scalar]) -> Bool {
    let classes = label.map { BidiClass($0) }
    guard let first = classes.first, let last = classes.last(where: { $0 != .mark }), !classes.contains(.other) else {
        return false
    }
    switch first {
    case .left:
        return !classes.contains(where: \.isRightToLeft) && (last == .left || last == .europeanNumber)
    case .right, .arabicLetter:
        let hasBothNumbers = classes.contains(.europeanNumber) && classes.contains(.arabicNumber)
        return !classes.contains(.left) && !hasBothNumbers && (last.isRightToLeft || last == .europeanNumber)
    case .europeanNumber, .arabicNumber, .neutral, .mark, .other: return false
    }
}
