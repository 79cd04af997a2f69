import HTTP
import Links

/// `GET /switches`, and `PUT` and `DELETE` of `/switches/{name}`, of the admin port, for requests that `AdminAccess` let
/// through.
struct SwitchRoutes {
    private static let prefix = "/switches/"

    unowned let node: Node
    /// The principal that asks.
    let by: [UInt8]

    static func owns(_ path: String) -> Bool { path == "/switches" || path.hasPrefix(prefix) }

    func response(_ message: Message) -> Response {
        do throws(RefusedRequest) {
            if message.path == "/switches" {
                guard [.get, .head].contains(message.head.method) else {
                    throw RefusedRequest(.methodNotAllowed(allow: "GET, HEAD"))
                }
            } else if let name = Switch(rawValue: String(message.path.dropFirst(Self.prefix.count))) {
                turn(name, try wanted(message))
            } else {
                throw RefusedRequest(.noSuchSwitch)
            }
        } catch {
            return error.problem.response
        }
        return Response(
            status: 200, fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
            body: AdminJSON.encode(SwitchList(switches: node.live.switches)))
    }

    /// Nil: as configured.
    private func wanted(_ message: Message) throws(RefusedRequest) -> Bool? {
        switch message.head.method {
        case .delete: return nil
        case .put:
            guard message.hasJSONBody else { throw RefusedRequest(Problem(.unsupportedMediaType)) }
            let members = try JSONMembers(message.body, known: ["on"])
            return try members.required("on", try members.bool("on"))
        default: throw RefusedRequest(.methodNotAllowed(allow: "PUT, DELETE"))
        }
    }

    private func turn(_ name: Switch, _ isOn: Bool?) {
        guard node.live.turn(name, isOn) else { return }
        let state = isOn.map { $0 ? "on" : "off" } ?? "default"
        Log.write(.warning, "switch-turned", ["switch": .string(name.rawValue), "to": .string(state)])
        AuditBody("turn-switch", on: name.rawValue, by: by, detail: state).tell(to: node.store)
    }
}

extension Problem {
    static let noSuchSwitch = Problem(
        .notFound, "There are the switches \(Switch.allCases.map(\.rawValue).joined(separator: ", ")).")
}
