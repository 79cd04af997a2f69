/// What a reload does to a running node's configuration.
package struct ConfigurationReload: Equatable, Sendable {
    /// One key with its value before and after, as the file writes them. A secret is never among them: keys name files.
    package struct Change: Equatable, Sendable {
        package let key: String
        package let old: String
        package let new: String

        package init(key: String, old: String, new: String) { (self.key, self.old, self.new) = (key, old, new) }
    }

    /// What is in effect from now on.
    package let configuration: Configuration
    package let applied: [Change]
    /// Changed too, and only a restart takes it over.
    package let waiting: [Change]

    /// From what is in effect to what the file and the flags say now.
    package init(from running: Configuration, to wanted: Configuration) {
        var next = running
        var (applied, waiting) = ([Change](), [Change]())
        for key in ConfigurationKey.all {
            let change = Change(key: key.name, old: key.write(running), new: key.write(wanted))
            guard change.old != change.new else { continue }
            if key.isReloadable, !Self.opensToStrangers(key, running, wanted) {
                key.copy(wanted, &next)
                applied.append(change)
            } else {
                waiting.append(change)
            }
        }
        (configuration, self.applied, self.waiting) = (next, applied, waiting)
    }

    /// Where `listen` changes too, `anonymous_create = on` may be meant for the new address, such as a loopback one, and
    /// the node still listens on the old. Both then wait; switching it off never does.
    private static func opensToStrangers(
        _ key: ConfigurationKey, _ running: Configuration, _ wanted: Configuration
    ) -> Bool {
        key.name == "anonymous_create" && wanted.anonymousCreate && running.listen != wanted.listen
    }
}
