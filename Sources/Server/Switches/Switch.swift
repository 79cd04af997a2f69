/// What can be turned off on a running node: by the key of this name and a reload, or on the admin port until that is taken
/// back or the process ends.
package enum Switch: String, CaseIterable, Sendable {
    /// Making links; those that there are lead on, and are changed and deleted.
    case create
    /// Making them without a key.
    case anonymousCreate = "anonymous_create"
    /// Asking other nodes for what is not here.
    case askRegions = "ask_regions"
    case countClicks = "count_clicks"

    var field: WritableKeyPath<Configuration, Bool> {
        switch self {
        case .create: \.creates
        case .anonymousCreate: \.anonymousCreate
        case .askRegions: \.asksRegions
        case .countClicks: \.countsClicks
        }
    }
}

/// How a switch stands.
struct SwitchState: Codable, Equatable {
    var name: String
    var on: Bool
    /// What the file and the flags say.
    var configured: Bool
    /// The admin port has turned it, whatever the file says.
    var overridden: Bool

    /// For people.
    var words: String { "\(on ? "on" : "off")\(overridden ? ", by the admin port" : "")" }
}

/// All of them, as `GET /switches` answers and `edge switch` shows.
struct SwitchList: Codable {
    var switches: [SwitchState]

    /// A line each, for people.
    var table: String {
        switches.map { $0.name + String(repeating: " ", count: 18 - $0.name.utf8.count) + $0.words + "\n" }.joined()
    }
}
