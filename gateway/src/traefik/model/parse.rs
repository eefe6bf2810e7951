//! Reads rules, as far as they are of the kind that is written here: what is about to be written is read back first.

use super::{Host, Matcher, Method, PathText, Pattern, Rule, Unwritable};

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// Anything that is not written by [`Rule`]'s `Display`.
    pub fn parse(text: &str) -> Result<Self, Unwritable> {
        let mut reader = Reader { text, rest: text };
        let rule = reader.any()?;
        if reader.rest.is_empty() {
            Ok(rule)
        } else {
            reader.refuse("something follows its end")
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn refuse<T>(&self, reason: &'static str) -> Result<T, Unwritable> {
        Err(Unwritable::new("the rule", self.text, reason))
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Result<Rule, Unwritable> {
        let mut rules = vec![self.all()?];
        while self.take(" || ") {
            rules.push(self.all()?);
        }
        Rule::any(rules).map_or_else(|| self.refuse("it is empty"), Ok)
    }

    fn all(&mut self) -> Result<Rule, Unwritable> {
        let mut rules = vec![self.one()?];
        while self.take(" && ") {
            rules.push(self.one()?);
        }
        Rule::all(rules).map_or_else(|| self.refuse("it is empty"), Ok)
    }

    fn one(&mut self) -> Result<Rule, Unwritable> {
        if self.take("!") {
            return self.one().map(Rule::negated);
        }
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") {
                Ok(inner)
            } else {
                self.refuse("a parenthesis is not closed")
            };
        }
        self.matcher().map(Rule::One)
    }

    fn matcher(&mut self) -> Result<Matcher, Unwritable> {
        let Some((name, rest)) = self.rest.split_once("(`") else {
            return self.refuse("a condition is missing");
        };
        self.rest = rest;
        let argument = self.argument()?;
        let [host, path, prefix, pattern, method] = Matcher::NAMES;
        Ok(match name {
            _ if name == host => Matcher::Host(Host::new(argument)?),
            _ if name == path => Matcher::Path(PathText::new(argument)?),
            _ if name == prefix => Matcher::PathPrefix(PathText::new(argument)?),
            _ if name == pattern => Matcher::PathRegexp(Pattern::new(argument)?),
            _ if name == method => Matcher::Method(Method::new(argument)?),
            _ => return self.refuse("a condition is not known"),
        })
    }

    fn argument(&mut self) -> Result<&'a str, Unwritable> {
        let Some((argument, rest)) = self.rest.split_once("`)") else {
            return self.refuse("a condition is not closed");
        };
        self.rest = rest;
        Ok(argument)
    }
}
