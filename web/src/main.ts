// Mounts the application with the language and theme chosen last time.
import { mount } from 'svelte'
import App from './app/App.svelte'
import { kept } from './lib/kept'
import { useLanguage } from './lib/text.svelte'
import { restoreTheme } from './lib/theme.svelte'
import './style/tokens.css'
import './style/base.css'

restoreTheme()
await useLanguage(kept('language') === 'en' ? 'en' : 'ja')
const target = document.getElementById('app')
if (target) mount(App, { target })
