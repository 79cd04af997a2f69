/// How values of one kind are read from text and written so that reading gives an equal one.
struct ValueSyntax<Value>: Sendable {
    let read: @Sendable (String) throws(BadValue) -> Value
    let write: @Sendable (Value) -> String
}

extension ValueSyntax where Value == String {
    static let path = ValueSyntax(read: { $0 }, write: { $0 })

    static let clusterName = name(
        longest: ConfigurationLimits.clusterNameBytes, of: "letters, digits, '.', '_' and '-'", example: "default"
    ) { $0.isLetterOrDigit || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains($0) }

    static let regionName = name(
        longest: ConfigurationLimits.regionNameBytes, of: "lower-case letters, digits and '-'", example: "us",
        allowing: \.isRegionNameByte)

    private static func name(
        longest: Int, of what: String, example: String, allowing isAllowed: @escaping @Sendable (UInt8) -> Bool
    ) -> ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                guard (1...longest).contains(text.utf8.count), text.utf8.allSatisfy(isAllowed) else {
                    throw BadValue(
                        problem: "\(quoted(text)) is not a name",
                        remedy: "write 1 to \(longest) \(what), such as \(example)")
                }
                return text
            }, write: { $0 })
    }

    /// An absolute http or https URL that ends with its authority.
    static let origin = ValueSyntax(
        read: { (text) throws(BadValue) in
            let example = "https://example.org"
            guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else {
                throw BadValue(
                    problem: "\(quoted(text)) does not start with http:// or https://",
                    remedy: "write a whole URL such as \(example)")
            }
            let rest = text.dropFirst(scheme.count)
            let end = rest.firstIndex { "/?#\\".contains($0) } ?? rest.endIndex
            guard let authority = Authority(rest[..<end]) else {
                throw BadValue(
                    problem: "\(quoted(rest[..<end])) is not a host with an optional port",
                    remedy: "write a URL such as \(example) (an international name in its xn-- form)")
            }
            guard end == rest.endIndex else {
                throw BadValue(
                    problem: "\(quoted(text)) has more than a scheme, a host and a port",
                    remedy: "write \(scheme)\(authority)")
            }
            return text
        }, write: { $0 })
}

extension ValueSyntax where Value == String? {
    /// A path, or `none`; a file of that name is `./none`.
    static let optionalPath = ValueSyntax(read: { $0 == "none" ? nil : $0 }, write: { $0 ?? "none" })

    /// `NAME` or `NAME:GROUP`, or `none`. Whether there is such a user is the machine's to say.
    static let optionalUser = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "none" { return nil }
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2, parts.allSatisfy({ isUserName($0.utf8) }) else {
                throw BadValue(
                    problem: "\(quoted(text)) is not a user", remedy: "write a name such as edge, or edge:www-data")
            }
            return text
        }, write: { $0 ?? "none" })

    private static func isUserName(_ name: Substring.UTF8View) -> Bool {
        (1...ConfigurationLimits.userNameBytes).contains(name.count) && name.first != UInt8(ascii: "-")
            && name.allSatisfy {
                $0.isLetterOrDigit || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains($0)
            }
    }
}

extension ValueSyntax where Value == Bool {
    static let onOff = ValueSyntax(
        read: { (text) throws(BadValue) in
            switch text {
            case "on": return true
            case "off": return false
            default: throw BadValue(problem: "\(quoted(text)) is neither on nor off", remedy: "write on or off")
            }
        }, write: { $0 ? "on" : "off" })
}

extension ValueSyntax where Value == Configuration.AccessLogTarget {
    /// `off`, `stdout`, or a path; a file of such a name is `./off`.
    static let accessLog = ValueSyntax(
        read: { (text) throws(BadValue) in
            switch text {
            case "off": return .off
            case "stdout": return .standardOutput
            case "on":
                throw BadValue(problem: "on does not say where to", remedy: "write stdout, or the path of a file")
            default: return .file(path: text)
            }
        },
        write: { target in
            switch target {
            case .off: "off"
            case .standardOutput: "stdout"
            case .file(let path): path
            }
        })
}

extension ValueSyntax where Value == ListenAddress {
    static let address = ValueSyntax(
        read: { (text) throws(BadValue) in
            guard let address = ListenAddress(text) else {
                throw BadValue(
                    problem: "\(quoted(text)) is not an IP address with a port",
                    remedy: "write 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for every interface")
            }
            return address
        }, write: { $0.description })
}

extension ValueSyntax where Value == ListenAddress? {
    /// An address, or `off`.
    static let optionalAddress = ValueSyntax(
        read: { (text) throws(BadValue) in
            text == "off" ? nil : try ValueSyntax<ListenAddress>.address.read(text)
        }, write: { $0?.description ?? "off" })
}

extension ValueSyntax
where Value: CaseIterable & RawRepresentable & Sendable, Value.RawValue: LosslessStringConvertible {
    /// One of the raw values of an enumeration.
    fileprivate static var choice: ValueSyntax {
        ValueSyntax(
            read: { (text) throws(BadValue) in
                let choices = Value.allCases.map { String($0.rawValue) }
                guard let index = choices.firstIndex(of: text) else {
                    let list = choices.count == 1 ? choices[0] : choices.dropLast().joined(separator: ", ")
                    throw BadValue(
                        problem: "\(quoted(text)) is not known",
                        remedy: "write " + (choices.count == 1 ? list : "\(list) or \(choices.last!)"))
                }
                return Value.allCases[Value.allCases.index(Value.allCases.startIndex, offsetBy: index)]
            }, write: { String($0.rawValue) })
    }
}

extension ValueSyntax where Value == Configuration.Durability {
    static let durability = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "sync" { return .sync }
            guard text.hasPrefix("regions:"), let count = Int(text.dropFirst(8)), "regions:\(count)" == text, count > 0
            else { throw BadValue(problem: "\(quoted(text)) is not known", remedy: "write sync, or regions:1") }
            return .regions(count)
        },
        write: { durability in
            switch durability {
            case .sync: "sync"
            case .regions(let count): "regions:\(count)"
            }
        })
}

extension ValueSyntax where Value == PurgeURL? {
    /// An http URL with `{code}` in it, or `none`.
    static let purgeURL = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "none" { return nil }
            guard let url = PurgeURL(text) else {
                throw BadValue(
                    problem: "\(quoted(text)) is no http:// URL with {code} in its path or query, once",
                    remedy: "write one such as http://127.0.0.1:6081/{code}, or none")
            }
            return url
        }, write: { $0?.description ?? "none" })
}

extension ValueSyntax where Value == PurgeMethod { static let purgeMethod = choice }
extension ValueSyntax where Value == Configuration.Lookups { static let lookups = choice }
extension ValueSyntax where Value == Configuration.Role { static let role = choice }
extension ValueSyntax where Value == Configuration.BlockedAnswer { static let blockedAnswer = choice }
extension ValueSyntax where Value == Configuration.RedirectStatus { static let redirectStatus = choice }
extension ValueSyntax where Value == Configuration.ResolveDestinations { static let resolveDestinations = choice }
extension ValueSyntax where Value == Log.Format { static let logFormat = choice }
