import FoundationEssentials
import Glibc

extension Configuration {
    /// The configuration that `file` and `flags` make together; flags win. Without either: the defaults.
    ///
    /// - Parameters:
    ///   - file: its name for messages, and its bytes.
    ///   - flags: keys without their dashes, in the order given.
    ///   - cores: what `workers = auto` means.
    /// - Throws: everything that is wrong, not only the first; a value that a flag replaces is checked all the same.
    package static func load(
        file: (path: String, text: [UInt8])?, flags: [(key: String, value: String)], cores: Int = availableCores
    ) throws(ConfigurationErrors) -> Configuration {
        let file = file.map { ConfigurationFile(path: $0.path, text: $0.text) }
        var loader = ConfigurationLoader(errors: file?.errors ?? [])
        for setting in file?.settings ?? [] { loader.apply(setting) }
        for flag in flags { loader.apply(Setting(key: flag.key, value: flag.value, place: .flag)) }
        return try loader.finish(cores: cores)
    }

    /// `load` with a file read from disk, and no file if `path` is nil.
    package static func load(
        path: String?, flags: [(key: String, value: String)]
    ) throws(ConfigurationErrors) -> Configuration {
        guard let path else { return try load(file: nil, flags: flags) }
        let text: [UInt8]
        do { text = try readFile(path) } catch { throw ConfigurationErrors(errors: [error]) }
        return try load(file: (path, text), flags: flags)
    }

    /// Every key with its value, one `key = value` a line: text that loads as an equal configuration.
    package var text: String {
        ConfigurationKey.all.map { "\($0.name) = \($0.write(self))\n" }.joined()
    }

    /// `edge.conf.example`: every key, commented out, with its default and one line of why.
    package static var example: String {
        let head = """
            # The configuration of an edge node: key = value lines. This file holds every key with its default;
            # take the # before a key away to change its value. Any key is also a flag: edge serve --node 1
            # Sizes: 64MiB (B, KiB, MiB, GiB, TiB). Durations: 250ms, 5s, 10m, 24h, 7d. Lists: with commas.
            # edge check --config FILE says what is wrong with a file, and prints what is in effect.

            """
        return ConfigurationKey.all.reduce(into: head) { text, key in
            text += "\n# \(key.why)\n#\(key.name) = \(key.defaultText)\n"
        }
    }

    /// The cores that this process may run on.
    package static var availableCores: Int { ProcessInfo.processInfo.activeProcessorCount }
}

/// Settings one by one into a configuration, with all that is wrong on the way.
struct ConfigurationLoader {
    var errors: [ConfigurationError]
    private(set) var configuration = Configuration()
    /// Where each key was set; the flag where both set it.
    private(set) var places: [String: ConfigurationError.Place] = [:]
    /// Keys with a bad value: nothing that depends on them is checked.
    private(set) var failed: Set<String> = []

    init(errors: [ConfigurationError]) { self.errors = errors }

    mutating func apply(_ setting: Setting) {
        guard let key = ConfigurationKey.named(setting.key) else {
            return report(setting.place, legible(setting.key), Self.unknown(setting.key))
        }
        switch (places[key.name], setting.place) {
        case (.line(_, let first), .line):
            report(
                setting.place, key.name,
                BadValue(problem: "already set on line \(first)", remedy: "keep one of the two lines"))
        case (.flag, .flag):
            report(setting.place, key.name, BadValue(problem: "given twice", remedy: "give it once"))
        default: break
        }
        places[key.name] = setting.place
        do {
            try key.read(try Self.plain(setting.value), &configuration)
        } catch {
            failed.insert(key.name)
            report(setting.place, key.name, error)
        }
    }

    mutating func finish(cores: Int) throws(ConfigurationErrors) -> Configuration {
        let limit = ConfigurationLimits.workers
        if configuration.workers == Configuration.automaticWorkers {
            configuration.workers = min(max(cores, limit.lowerBound), limit.upperBound)
        }
        if places["public_url"] == nil { configuration.publicURL = configuration.listen.url }
        if places["anonymous_create"] == nil {
            configuration.anonymousCreate =
                configuration.listen.isLoopback && configuration.listenTLS?.isLoopback ?? true
        }
        settleRegion()
        checkPublicPort()
        checkTLS()
        checkReplication()
        guard errors.isEmpty else { throw ConfigurationErrors(errors: Self.ordered(errors)) }
        return configuration
    }

    private mutating func settleRegion() {
        guard failed.isDisjoint(with: ["regions", "region"]) else { return }
        let names = configuration.regions.map(\.name)
        if let place = places["region"] {
            guard !names.contains(configuration.region) else { return }
            let list = names.joined(separator: ", ")
            report(
                place, "region",
                BadValue(
                    problem: "\(configuration.region) is not one of regions (\(list))",
                    remedy: names.count == 1 ? "write \(list), or add it to regions" : "write one of them"))
        } else if names.count == 1 {
            configuration.region = names[0]
        } else if let place = places["regions"] {
            report(
                place, "regions",
                BadValue(
                    problem: "there are \(names.count) regions, and no region says which one this node is in",
                    remedy: "set it, such as region = \(names[0])"))
        }
    }

    private mutating func checkPublicPort() {
        guard failed.isDisjoint(with: ["public_url", "listen"]), let place = places["public_url"],
            configuration.publicURL.hasSuffix(":0"), configuration.publicURL != configuration.listen.url
        else { return }
        report(
            place, "public_url",
            BadValue(
                problem: "nobody can connect to port 0",
                remedy: "write the port that users see, or leave public_url out"))
    }

    mutating func report(_ place: ConfigurationError.Place, _ key: String, _ bad: BadValue) {
        errors.append(ConfigurationError(place: place, key: key, problem: bad.problem, remedy: bad.remedy))
    }

    private static func unknown(_ key: String) -> BadValue {
        let near = nearestName(to: key, among: ConfigurationKey.all.map(\.name))
        return BadValue(
            problem: "unknown key", remedy: near.map { "did you mean \($0)?" } ?? "edge help serve lists the keys")
    }

    /// A value without the blanks around it, which a line of the file can hold as it is.
    private static func plain(_ value: String) throws(BadValue) -> String {
        let value = String(value[...].trimmingBlanks())
        guard let first = value.utf8.first else {
            throw BadValue(problem: "no value", remedy: "write one after the key")
        }
        guard !value.unicodeScalars.contains(where: \.isControl) else {
            throw BadValue(problem: "a control character in the value", remedy: "take it out")
        }
        guard first != UInt8(ascii: "\""), first != UInt8(ascii: "'") else {
            throw BadValue(problem: "the value starts with a quote", remedy: "write it without quotes")
        }
        guard ConfigurationFile.commentStart(value) == nil else {
            throw BadValue(problem: "a '#' there begins a comment", remedy: "write a value without one")
        }
        return value
    }

    /// In the order of the file, then of the flags; errors of one line stay as they were found.
    private static func ordered(_ errors: [ConfigurationError]) -> [ConfigurationError] {
        func rank(_ error: ConfigurationError) -> Int {
            switch error.place {
            case .file: 0
            case .line(_, let line): line
            case .flag: .max
            }
        }
        return errors.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
            .map(\.element)
    }
}

/// The bytes of a configuration file, bounded.
private func readFile(_ path: String) throws(ConfigurationError) -> [UInt8] {
    func failed() -> ConfigurationError {
        ConfigurationError(
            place: .file(path: path), key: nil, problem: "cannot be read: \(String(cString: strerror(errno)))",
            remedy: "give the name of a readable file after --config")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failed() }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw failed() }
        guard count > 0 else { return bytes }
        bytes += buffer[..<count]
        guard bytes.count <= ConfigurationLimits.fileBytes else {
            throw ConfigurationError(
                place: .file(path: path), key: nil,
                problem: "more than \(sizeText(ConfigurationLimits.fileBytes))",
                remedy: "give the name of a configuration file after --config")
        }
    }
}
