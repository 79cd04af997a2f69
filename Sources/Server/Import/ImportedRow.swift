import Import
import Links
import Store

/// One row of an import on its way, and what became of it.
struct ImportedRow: Sendable {
    enum End: Sendable {
        case made(code: [UInt8])
        /// Made, and not as many other regions as are to have it had it in time.
        case madeHere(code: [UInt8])
        /// It was there already: the same code, destination and owner; or the same row of the same request.
        case exists(code: [UInt8])
        /// Nothing is wrong with it, and nothing was to be made.
        case wouldBeMade
        case refused(Problem)
        /// The name is somebody's; what is known of that link, if it is not here.
        case taken(LinkBody?)
        /// There is too much to do at the moment.
        case again
        /// Whose the name is was not told in time.
        case unknown(claim: UInt128)
    }

    /// From 1.
    let line: Int
    let code: String?
    /// Nil if it is refused for what it says.
    var link: NewLink?
    var hostName: String?
    /// Nil while it is being made.
    var end: End?
    /// Claims whose outcome nobody told.
    var unknownClaims = 0

    /// The result as a line of JSON, once it is known for good.
    var result: [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "{")]
        json.append(jsonKey: "line")
        json.append(decimal: line)
        switch end {
        case .made(let code): Self.append("created", code, to: &json)
        case .madeHere(let code):
            Self.append("created", code, to: &json)
            Self.append(Problem.notReplicated(code), to: &json)
        case .exists(let code): Self.append("exists", code, to: &json)
        case .wouldBeMade: Self.append("would-create", code.map { Array($0.utf8) }, to: &json)
        case .refused(let problem):
            Self.append("rejected", code.map { Array($0.utf8) }, to: &json)
            Self.append(problem, to: &json)
        case .taken, .again, .unknown, nil: preconditionFailure("the row is not settled")
        }
        json += [UInt8(ascii: "}"), UInt8(ascii: "\n")]
        return json
    }

    private static func append(_ status: String, _ code: [UInt8]?, to json: inout [UInt8]) {
        json.append(jsonKey: "status", string: status)
        if let code { json.append(jsonKey: "short_code", utf8: code) }
    }

    private static func append(_ problem: Problem, to json: inout [UInt8]) {
        json.append(jsonKey: "problem")
        json.append(UInt8(ascii: "{"))
        json.append(jsonKey: "code", string: problem.kind.code)
        json.append(jsonKey: "detail", string: problem.detail)
        json.append(UInt8(ascii: "}"))
    }
}

extension Problem {
    /// Of a row that could not be read.
    init(_ refusal: ImportRefusal) { self.init(.invalidJSON, refusal.message) }
}
