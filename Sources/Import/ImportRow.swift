import Primitives

/// One row of an import, and where it stands.
package struct ImportRow: Equatable, Sendable {
    /// The line that it begins in, from 1. Only line feeds count.
    package let line: Int
    /// The place in bytes behind it, from the input's beginning: where an import that is to go on behind it resumes.
    package let end: Int
    package let result: Result<ImportedLink, ImportRefusal>
}

/// Why a row gives no link. Reading goes on behind it.
package enum ImportRefusal: Error, Equatable, Sendable {
    case tooLong
    case notUTF8
    /// The input ends within the row.
    case truncated
    case noLongURL
    case tooLongValue(String, limitBytes: Int)
    case tooManyTags
    /// A value that is none of the forms that `Instant(imported:)` takes.
    case time(String)
    case boolean(String)
    /// A quote in a field that does not begin with one, or bytes behind the one that closes a field.
    case misplacedQuote
    /// Fields of the row, and of the header.
    case columns(Int, header: Int)
    case tooManyValues
    case json(JSONError)
    case noObject
    case member(String, wanted: String)
    case unknownMember(String)
    /// `short_code` and `custom_alias` are both there and not the same.
    case codesDiffer
    /// A cell that names more than one segment, or a host alone, where a code is wanted.
    case codeSegments(String)
    /// A long URL of golink that is made for each visitor anew.
    case template
    /// Something else than a list of rows behind VALUES.
    case malformedStatement
    /// Something else than a string, a number or NULL.
    case expression
    case hexadecimal

    /// One sentence for the user. It repeats nothing of the row but the name of a member, or a code, shortened.
    package var message: String {
        switch self {
        case .tooLong: "The row has more than \(ImportLimits.rowBytes) bytes."
        case .notUTF8: "The row is not UTF-8."
        case .truncated: "The input ends within the row."
        case .noLongURL: "The row has no long URL."
        case .tooLongValue(let name, let limit): "The \(name) has more than \(limit) bytes."
        case .tooManyTags: "The row has more than \(ImportLimits.tags) tags."
        case .time(let name): "The value of \(name) is no time that is known here."
        case .boolean(let name): "The value of \(name) is neither true nor false."
        case .misplacedQuote:
            "A quotation mark stands inside a field; there it has to be doubled, and the field quoted."
        case .columns(let count, let header): "The row has \(count) columns where \(header) are wanted."
        case .tooManyValues: "The row has more than \(ImportLimits.columns) columns."
        case .json(let error): error.message(of: "The line")
        case .noObject: "The line is no JSON object."
        case .member(let name, let wanted): "The member \"\(name)\" is not \(wanted)."
        case .unknownMember(let name): "\"\(shown(name))\" is no member of a link."
        case .codesDiffer: "short_code and custom_alias are not the same."
        case .codeSegments(let cell):
            "\"\(shown(cell, scalars: ImportLimits.shownCodeScalars))\" is no code: codes have one segment here."
        case .template: "The long URL is a template, which has no counterpart here."
        case .malformedStatement: "The statement does not go on with a row."
        case .expression: "The row has something else in it than strings, numbers and NULL."
        case .hexadecimal: "The row has a hexadecimal string in it that is malformed."
        }
    }
}

/// Why nothing of an input can be read.
package enum ImportError: Error, Equatable, Sendable {
    /// The header of a table names no column for the long URL; what it names.
    case noLongURLColumn(found: [String])
    /// The header of a table is too long, has too many columns or a wrong quote, or is not UTF-8.
    case malformedHeader(ImportRefusal)
    /// The header of a table ends with a carriage return, and no line feed behind it.
    case bareReturn

    /// One sentence for the user.
    package var message: String {
        switch self {
        case .noLongURLColumn(let found):
            "The header names no column for the long URL, like \"Long URL\"; it names "
                + found.prefix(ImportLimits.shownNames).map { "\"\(shown($0))\"" }.joined(separator: ", ")
                + (found.count > ImportLimits.shownNames ? ", …" : ".")
        case .malformedHeader(let refusal): "The header cannot be read. \(refusal.message)"
        case .bareReturn: "The lines end with a carriage return alone; write the table with LF or CRLF behind lines."
        }
    }
}

/// Somebody's own words, cut where they are long, and without what could disturb a terminal.
private func shown(_ text: String, scalars limit: Int = ImportLimits.shownScalars) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: result.append("\u{fffd}")
        default: result.append(scalar)
        }
    }
    return String(result) + (text.unicodeScalars.dropFirst(limit).isEmpty ? "" : "…")
}
