import HTTP
import Links
import Primitives
import Store

/// The store, part by part, for `edge backup`: who asks says where it stands, and the node keeps nothing of it.
///
/// They give away every link and the secret that keys the codes: see `AdminAccess`.
struct SnapshotRoutes {
    static let paths = ["/snapshot", "/snapshot/rows", "/snapshot/log"]
    static let mediaType = "application/octet-stream"

    let store: Store

    /// To a GET or HEAD of one of `paths`.
    func response(_ message: Message) -> Response {
        do throws(RefusedRequest) {
            let part = try part(message.path, try QueryValues(message.query))
            return Response(
                status: 200, fields: [("Content-Type", Self.mediaType), ("Cache-Control", "no-store")], body: part.bytes
            )
        } catch {
            return error.problem.response
        }
    }

    private func part(_ path: String, _ query: QueryValues) throws(RefusedRequest) -> SnapshotPart {
        switch path {
        case "/snapshot":
            try query.allow([])
            return .start(try reading { () throws(StoreError) in try store.snapshotStart() })
        case "/snapshot/rows":
            try query.allow(["after"])
            let after = try query["after"].map { (text) throws(RefusedRequest) in
                guard let position = SnapshotPosition(text: text) else { throw .wrongQuery("after") }
                return position
            }
            return .rows(try reading { () throws(StoreError) in try store.snapshotRows(after: after) })
        default:
            try query.allow(["origin", "from", "through"])
            guard let origin = query["origin"].flatMap({ Origin(hexadecimal: $0) }) else { throw .wrongQuery("origin") }
            let from = try query.sequence("from")
            return .log(try log(origin, from: from, through: try query.sequence("through")))
        }
    }

    private func reading<Part>(_ read: () throws(StoreError) -> Part) throws(RefusedRequest) -> Part {
        do throws(StoreError) { return try read() } catch {
            switch error {
            case .damaged(_, let reason), .system(_, let reason):
                throw RefusedRequest(Problem(.storeUnreadable, "\(reason)."))
            case .inUse, .directory, .missing, .unfinished, .empty, .truncated, .foreign, .newerFormat,
                .newerLogFormat, .identityMismatch, .identityDamaged, .otherNode, .codeSecretDiffers:
                preconditionFailure("an open store cannot be refused")
            }
        }
    }

    private func log(_ origin: Origin, from: UInt64, through: UInt64) throws(RefusedRequest) -> LogBatch {
        switch store.logBatch(origin, from: from, through: through) {
        case .success(let batch): return batch
        case .failure(.unknownOrigin): throw RefusedRequest(Problem(.notFound, "No log of \(origin) is here."))
        case .failure(.beyond(let head)):
            throw RefusedRequest(Problem(.notFound, "The log of \(origin) ends at \(head)."))
        case .failure(.truncated(let floor)):
            throw RefusedRequest(Problem(.logTruncated, "The log of \(origin) begins after \(floor)."))
        case .failure(.damaged(let sequence)):
            throw RefusedRequest(
                Problem(.storeUnreadable, "Entry \(sequence) of the log of \(origin) is damaged."))
        case .failure(.failed(let reason)): throw RefusedRequest(Problem(.storeUnreadable, "\(reason)."))
        }
    }
}
