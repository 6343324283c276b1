// Every section of the texts, one file a page. A new section is a line here, in both languages.
import app from './app.json'
import common from './common.json'
import errors from './errors.json'
import nav from './nav.json'
import session from './session.json'

import type { Texts } from '../ja'

export const en: Texts = { app, common, errors, nav, session }
