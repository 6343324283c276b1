//! Who asks for a seat, as the office's directory describes them today.

use crate::seats::{Applicant, Class, Holder};
use crate::store::dialect::values;
use crate::store::{Id, Store, StoreError};

/// The department, and every one above it: nine levels, for an office of four and some room.
const DEPARTMENTS: &str = "WITH RECURSIVE above (id, name, parent_id, depth) AS (SELECT d.id, d.name, d.parent_id, 0 \
                           FROM departments d JOIN users u ON u.department_id = d.id WHERE u.id = $1 UNION ALL \
                           SELECT d.id, d.name, d.parent_id, above.depth + 1 FROM departments d JOIN above ON d.id = \
                           above.parent_id WHERE above.depth < 8) SELECT above.name, u.room FROM above, users u WHERE \
                           u.id = $1 ORDER BY above.depth";
/// What the name of a department begins with whose work is a disaster's.
const DISASTER: &str = "災害対策";
/// The same of an assembly's.
const ASSEMBLY: &str = "議会";

impl Store {
    /// Returns who somebody is for the seats; none if there is nobody of that name.
    ///
    /// Shape: the groups are the names of the departments above their own.
    pub async fn applicant(&self, user: Id) -> Result<Option<Applicant>, StoreError> {
        let rows = self.database.rows(DEPARTMENTS, values![user]).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let is_room = first.flag(1)?;
        let mut names = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
        let class = class_of(&names);
        let department = names.remove(0);
        let holder = if is_room { Holder::Room(user.uuid()) } else { Holder::Person(user.uuid()) };
        Ok(Some(Applicant { holder, department, groups: names, class }))
    }
}

/// Tells how urgent the work of a department is, by its name and those above it.
fn class_of(names: &[String]) -> Class {
    let begins = |word: &str| names.iter().any(|name| name.starts_with(word));
    if begins(DISASTER) {
        Class::Disaster
    } else if begins(ASSEMBLY) {
        Class::Assembly
    } else {
        Class::Normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(names: &[&str]) -> Class {
        class_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_name_of_a_department_or_of_one_above_tells_how_urgent_its_work_is() {
        assert_eq!(class(&["総務課"]), Class::Normal);
        assert_eq!(class(&["議事課", "議会事務局"]), Class::Assembly);
        assert_eq!(class(&["情報班", "災害対策本部"]), Class::Disaster);
        assert_eq!(class(&["県議会対応室"]), Class::Normal);
    }
}
